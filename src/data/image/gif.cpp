#include "data/image/format.h"

namespace ufo::data {
namespace {

/// Bytes of the colour table that `flags` announce.
size_t table_size(unsigned char flags) { return (flags & 0x80) != 0 ? size_t{3} << ((flags & 7) + 1) : 0; }

/// Where the chain of blocks that begins at `at` ends: each says its length, the last has none.
size_t skip_blocks(const Bytes& file, size_t at) {
  while (file[at] != 0) {
    at += size_t{1} + file[at];
  }
  return at + 1;
}

}  // namespace

/// GIF (CompuServe, version 89a): a screen, then extensions and frames up to a trailer, which some writers
/// leave out.
ImageHeader inspect_gif(const Bytes& file) {
  constexpr size_t kScreen = 13, kDescriptor = 10;
  constexpr unsigned char kExtension = 0x21, kFrame = 0x2c, kTrailer = 0x3b;
  check_pixels(file.little(6, 2), file.little(8, 2));
  int64_t frames = 0;
  for (size_t at = kScreen + table_size(file[10]); frames == 0 || at < file.size();) {
    const unsigned char kind = file[at];
    if (kind == kExtension) {
      at = skip_blocks(file, at + 2);
    } else if (kind == kFrame) {
      check_pixels(file.little(at + 5, 2), file.little(at + 7, 2));
      check_frames(++frames);
      at = skip_blocks(file, at + kDescriptor + table_size(file[at + 9]) + 1);
    } else if (kind == kTrailer && frames > 0) {
      break;
    } else {
      throw ImageFault("it is damaged");
    }
  }
  return {.alpha = Alpha::straight};
}

}  // namespace ufo::data
