#pragma once

#include <string>

namespace ufo::cli {

/// An 8x8 image as a BMP file: the bytes of its pixels begin with `colour` and rise by `slope` modulo 256.
inline std::string bmp_image(int colour, int slope = 0) {
  std::string bytes("BM\xf6\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\x01\0\x18\0", 30);
  bytes.resize(54);  // no compression; the rest of the header may be zero
  for (int i = 0; i < 8 * 8 * 3; ++i) {
    bytes += static_cast<char>(colour + slope * i);
  }
  return bytes;
}

}  // namespace ufo::cli
