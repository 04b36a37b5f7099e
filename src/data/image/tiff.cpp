#include "data/image/format.h"
#include "data/image/tiff_directory.h"

#include <algorithm>
#include <iterator>

namespace ufo::data {
namespace {

// TIFF 6.0, section 8 and after.
enum Tag : uint16_t {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kStripOffsets = 273,
  kSamples = 277,
  kStripSizes = 279,
  kTileWidth = 322,
  kTileHeight = 323,
  kTileOffsets = 324,
  kTileSizes = 325,
  kExtraSamples = 338,
  kSampleFormat = 339,
};

/// Uncompressed, three of fax, LZW, JPEG, deflate, PackBits, and deflate as it was numbered before.
constexpr uint32_t kCompressions[] = {1, 2, 3, 4, 5, 7, 8, 32773, 32946};

/// Throws unless the pieces of the image lie within the file; libtiff fills up what does not.
void check_pieces(const Bytes& file, const TiffDirectory& directory, Tag offsets, Tag sizes) {
  const std::vector<uint32_t> starts = directory.numbers(offsets), lengths = directory.numbers(sizes);
  if (starts.empty() || starts.size() != lengths.size()) {
    throw ImageFault("it is damaged");
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    file.part(starts[i], lengths[i]);
  }
}

}  // namespace

/// The orientation is applied by OpenCV whatever the flags.
ImageHeader inspect_tiff(const Bytes& file) {
  const TiffDirectory directory(file);
  check_pixels(directory.number(kWidth, 0), directory.number(kHeight, 0));
  check_pixels(directory.number(kTileWidth, 0), directory.number(kTileHeight, 0));
  check_frames(directory.count(kMostFrames));
  const uint32_t compression = directory.number(kCompression, 1);
  if (std::find(std::begin(kCompressions), std::end(kCompressions), compression) == std::end(kCompressions)) {
    throw ImageFault("it is a TIFF of compression " + std::to_string(compression) +
                     ", which nothing here reads");
  }
  const uint32_t samples = directory.number(kSamples, 1), format = directory.number(kSampleFormat, 1);
  const std::vector<uint32_t> depths = directory.numbers(kBits);
  const uint32_t bits = depths.empty() ? 1 : depths.front();
  const bool known_bits = (bits == 1 || bits == 4 || bits == 8 || bits == 16) &&
                          std::count(depths.begin(), depths.end(), bits) == std::ssize(depths);
  if ((samples != 1 && samples != 3 && samples != 4) || !known_bits || format != 1) {
    throw ImageFault("it is a TIFF of " + std::to_string(samples) + " samples of " + std::to_string(bits) +
                     " bits a pixel; need 1, 3 or 4 unsigned ones of 1, 4, 8 or 16 bits");
  }
  if (directory.numbers(kTileOffsets).empty()) {
    check_pieces(file, directory, kStripOffsets, kStripSizes);
  } else {
    check_pieces(file, directory, kTileOffsets, kTileSizes);
  }
  if (samples != 4) {
    return {};
  }
  // libtiff itself multiplies samples of 8 bits by a straight alpha (extra samples of kind 2).
  const bool straight = bits == 16 && directory.number(kExtraSamples, 0) == 2;
  return {.alpha = straight ? Alpha::straight : Alpha::multiplied};
}

}  // namespace ufo::data
