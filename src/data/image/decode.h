#pragma once

#include "data/image/format.h"

#include <string>
#include <vector>

namespace cv {
class Mat;
}

namespace ufo::data {

/// Decodes an image file, of whose frames or pages the first: upright as EXIF says, what is transparent
/// composited on white, 8 bits a channel. `channels` is 3 for red, green and blue, or 1 for grey, which is
/// 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). Throws ImageFault for what cannot be decoded, or should not
/// be.
cv::Mat decode_image(const std::vector<unsigned char>& file, int64_t channels);

/// Resizes `image` into `target`, which has its size: each new pixel is the mean of the area that it covers.
void resize_by_area(const cv::Mat& image, cv::Mat& target);

/// Whether the OpenCV that this runs with decodes `format`; its reader of GIF came with 4.11.
bool decodes(const ImageFormat& format);

/// Whether `path` ends as the files of a format do that is decoded here.
bool is_image(const std::string& path);

/// "PNG, JPEG, BMP, WebP or TIFF": the formats that are decoded here.
std::string decoded_formats();

}  // namespace ufo::data
