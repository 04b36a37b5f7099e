#pragma once

#include "data/image/bytes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ufo::data {

/// The most that an image file may hold, so that a small file cannot take the machine: pixels (of a good
/// camera; 120 MB when decoded), passes over a JPEG's pixels, and frames or pages, of which the first is
/// read.
inline constexpr int64_t kMostPixels = 40'000'000;
inline constexpr int64_t kMostScans = 64;
inline constexpr int64_t kMostFrames = 1'000;

/// How a decoded image holds transparency: colours as they are, or already multiplied by it.
enum class Alpha { none, straight, multiplied };

/// What decoding needs to know of an encoded image.
struct ImageHeader {
  int orientation = 1;  ///< EXIF's, 1 to 8: how to turn the decoded image; 1: as it is
  Alpha alpha = Alpha::none;
  std::optional<int> clear_grey{};  ///< the grey, as decoded, that is transparent in a PNG without alpha
};

/// A format of image files.
struct ImageFormat {
  const char* name;
  std::string_view endings;  ///< of file names, ended by a space each: ".jpg .jpeg "
  bool (*begins)(const Bytes& file);
  ImageHeader (*inspect)(const Bytes& file);
};

/// Checks the encoded image `file` by its signature, without decoding: that it is of a known format, whole,
/// and within the limits above. Decoders are lenient with files that were cut, and unpack any number of
/// pixels. Throws ImageFault.
ImageHeader inspect_image(const Bytes& file);

/// The format that `path` ends as, in any case; null for others.
const ImageFormat* format_of_name(const std::string& path);

/// Every format there is, by name.
std::span<const ImageFormat> image_formats();

/// Throws ImageFault for more than kMostPixels; of sizes below 2^32.
void check_pixels(uint64_t width, uint64_t height);
/// Throws ImageFault for more than kMostFrames.
void check_frames(int64_t frames);

// One file a format.
ImageHeader inspect_png(const Bytes& file);
ImageHeader inspect_jpeg(const Bytes& file);
ImageHeader inspect_bmp(const Bytes& file);
ImageHeader inspect_webp(const Bytes& file);
ImageHeader inspect_gif(const Bytes& file);
ImageHeader inspect_tiff(const Bytes& file);

}  // namespace ufo::data
