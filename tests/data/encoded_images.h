#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

namespace ufo::data {

using Encoded = std::vector<unsigned char>;

/// `image` as OpenCV writes it in the format of `ending`; WebP without loss, JPEG with little.
Encoded encode(const cv::Mat& image, const std::string& ending);

/// The same with an orientation in EXIF's data; of .png, .jpg and .webp.
Encoded encode_with_orientation(const cv::Mat& image, const std::string& ending, int orientation);

/// A PNG of one row, as its chunks say: `kind` and `depth` as in its header, `extra` chunks before the data.
Encoded encode_png_row(int width, int kind, int depth, const std::string& row, const std::string& extra);
/// A chunk of a PNG, checksum included.
std::string png_chunk(const std::string& type, const std::string& data);

/// What an uncompressed TIFF of one strip says of itself; 0 leaves a tag out.
struct TiffTags {
  int width = 2, height = 1, samples = 3, bits = 8;
  int photometric = 2;  // RGB; 1 grey
  int orientation = 0, extra_samples = 0, compression = 1, tile_width = 0;
};
Encoded encode_tiff(const TiffTags& tags, const std::string& pixels);

/// A GIF of `frames` frames of `width` x `height` pixels that hold no data.
Encoded encode_gif(int width, int height, int frames);

}  // namespace ufo::data
