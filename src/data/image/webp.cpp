#include "data/image/format.h"
#include "data/image/tiff_directory.h"

namespace ufo::data {
namespace {

/// VP8L: after a byte of signature, 14 bits each of width - 1 and height - 1, and one that says alpha.
Alpha inspect_lossless(const Bytes& chunk) {
  const uint32_t sizes = chunk.little(1, 4);
  check_pixels((sizes & 0x3fff) + 1, (sizes >> 14 & 0x3fff) + 1);
  return (sizes >> 28 & 1) != 0 ? Alpha::straight : Alpha::none;
}

}  // namespace

/// WebP (RFC 9649): a RIFF file of chunks, filled up to 2 bytes. One chunk is the whole image, or the first
/// says what the others hold.
ImageHeader inspect_webp(const Bytes& file) {
  constexpr size_t kFirstChunk = 12, kChunkHeader = 8;
  constexpr unsigned char kAnimation = 0x02, kAlpha = 0x10;
  const Bytes riff = file.part(0, size_t{file.little(4, 4)} + kChunkHeader);
  ImageHeader header;
  int64_t frames = 0;
  for (size_t at = kFirstChunk; at + kChunkHeader <= riff.size();) {
    const size_t length = riff.little(at + 4, 4);
    const Bytes chunk = riff.part(at + kChunkHeader, length);
    if (riff.has(at, "VP8X")) {
      check_pixels(chunk.little(4, 3) + 1, chunk.little(7, 3) + 1);
      if ((chunk[0] & kAnimation) != 0) {
        throw ImageFault("it is an animated WebP");
      }
      header.alpha = (chunk[0] & kAlpha) != 0 ? Alpha::straight : Alpha::none;
    } else if (riff.has(at, "VP8L")) {
      header.alpha = inspect_lossless(chunk);
      ++frames;
    } else if (riff.has(at, "VP8 ")) {
      check_pixels(chunk.little(6, 2) & 0x3fff, chunk.little(8, 2) & 0x3fff);
      ++frames;
    } else if (riff.has(at, "EXIF")) {
      header.orientation = exif_orientation(chunk.has(0, "Exif") ? chunk.from(6) : chunk);
    }
    at += kChunkHeader + length + length % 2;
  }
  if (frames != 1) {
    throw ImageFault("it is damaged");
  }
  return header;
}

}  // namespace ufo::data
