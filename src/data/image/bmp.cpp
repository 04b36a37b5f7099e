#include "data/image/format.h"

#include <cstdlib>

namespace ufo::data {
namespace {

int64_t magnitude(uint32_t value) { return std::abs(int64_t{static_cast<int32_t>(value)}); }

}  // namespace

/// BMP: a file header of 14 bytes, then one that says its own size: 12 (OS/2, sizes of 2 bytes), or 40 and
/// more (Windows; sizes of 4 bytes, the height below 0 where the top row is first). Rows fill up to 4 bytes.
ImageHeader inspect_bmp(const Bytes& file) {
  constexpr size_t kStart = 10, kHeader = 14, kOs2 = 12, kWindows = 40;
  constexpr size_t kAlphaMask = kHeader + 52, kHeaderWithAlpha = 56;
  constexpr uint32_t kBitFields = 3;
  const size_t size = file.little(kHeader, 4);
  if (size != kOs2 && size < kWindows) {
    throw ImageFault("it is a BMP with a header of " + std::to_string(size) +
                     " bytes, which nothing here reads");
  }
  const bool os2 = size == kOs2;
  const int64_t width = os2 ? file.little(18, 2) : magnitude(file.little(18, 4));
  const int64_t height = os2 ? file.little(20, 2) : magnitude(file.little(22, 4));
  const uint32_t bits = file.little(os2 ? 24 : 28, 2);
  const uint32_t compression = os2 ? 0 : file.little(30, 4);
  check_pixels(static_cast<uint64_t>(width), static_cast<uint64_t>(height));
  const bool packed = compression != 0 && compression != kBitFields;
  const int64_t row = (width * bits + 31) / 32 * 4;
  file.part(file.little(kStart, 4), packed ? 0 : static_cast<size_t>(row * height));
  const bool alpha =
      bits == 32 && compression == kBitFields && size >= kHeaderWithAlpha && file.little(kAlphaMask, 4) != 0;
  return {.alpha = alpha ? Alpha::straight : Alpha::none};
}

}  // namespace ufo::data
