#include "data/image/format.h"
#include "data/image/tiff_directory.h"

#include <ufo/base/checksum.h>

namespace ufo::data {
namespace {

[[noreturn]] void damaged() { throw ImageFault("it is damaged"); }

/// What the header chunk says.
struct Sizes {
  uint32_t depth = 0, kind = 0;  // bits a sample; bit 1 of kind: colour, bit 2: alpha
};

Sizes read_sizes(const Bytes& chunk) {
  const uint32_t width = chunk.big(0, 4), height = chunk.big(4, 4);
  if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
    damaged();
  }
  check_pixels(width, height);
  const Sizes sizes{.depth = chunk[8], .kind = chunk[9]};
  if (sizes.depth == 0 || sizes.depth > 16) {
    damaged();
  }
  return sizes;
}

}  // namespace

/// PNG (W3C, third edition): chunks of length, type, data and checksum. libpng would report what is cut or
/// fails its checksum on standard error.
ImageHeader inspect_png(const Bytes& file) {
  constexpr size_t kSignature = 8, kOverhead = 12;
  constexpr uint32_t kGrey = 0, kAlphaBit = 4;
  ImageHeader header;
  Sizes sizes;
  int64_t frames = 0;
  for (size_t at = kSignature;;) {
    const size_t length = file.big(at, 4);
    const Bytes chunk = file.part(at, length + kOverhead).part(8, length);
    Checksum checksum;
    checksum.add(file.data() + at + 4, length + 4);
    if (checksum.value() != file.big(at + 8 + length, 4)) {
      damaged();
    }
    if (file.has(at + 4, "IEND")) {
      return header;
    }
    if (at == kSignature) {
      if (!file.has(at + 4, "IHDR")) {
        damaged();
      }
      sizes = read_sizes(chunk);
      header.alpha = (sizes.kind & kAlphaBit) != 0 ? Alpha::straight : Alpha::none;
    } else if (file.has(at + 4, "IHDR")) {
      damaged();
    } else if (file.has(at + 4, "tRNS")) {
      if (sizes.kind == kGrey) {  // OpenCV passes over it; libpng widens fewer bits to eight
        const uint32_t grey = chunk.big(0, 2);
        header.clear_grey = static_cast<int>(sizes.depth < 8 ? grey * 255 / ((1U << sizes.depth) - 1) : grey);
      } else {
        header.alpha = Alpha::straight;
      }
    } else if (file.has(at + 4, "eXIf")) {
      header.orientation = exif_orientation(chunk);
    } else if (file.has(at + 4, "fcTL")) {
      check_frames(++frames);
    }
    at += length + kOverhead;
  }
}

}  // namespace ufo::data
