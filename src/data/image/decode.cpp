#include "data/image/decode.h"

#include <algorithm>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace ufo::data {
namespace {

constexpr int kWhite = 255;

cv::Mat decode_as_stored(const std::vector<unsigned char>& file, const ImageHeader& header) {
  const int flags = header.alpha == Alpha::none
                        ? cv::IMREAD_COLOR | cv::IMREAD_ANYDEPTH | cv::IMREAD_IGNORE_ORIENTATION
                        : static_cast<int>(cv::IMREAD_UNCHANGED);
  cv::Mat image;
  try {
    image = cv::imdecode(file, flags);
  } catch (const cv::Exception&) {
    throw ImageFault("its decoder refuses it");
  }
  if (image.empty() || (image.depth() != CV_8U && image.depth() != CV_16U)) {
    throw ImageFault("its decoder refuses it");
  }
  return image;
}

/// Whitens the pixels of the one grey that stands for nothing.
void whiten(cv::Mat& image, int grey) {
  cv::Mat clear;
  cv::inRange(image, cv::Scalar::all(grey), cv::Scalar::all(grey), clear);
  image.setTo(cv::Scalar::all(image.depth() == CV_16U ? 65535 : kWhite), clear);
}

/// colour * alpha + white * (1 - alpha) of blue, green, red and alpha; the product is there already where
/// `alpha` says so.
cv::Mat on_white(const cv::Mat& image, Alpha alpha) {
  cv::Mat result(image.size(), CV_8UC3);
  for (int y = 0; y < image.rows; ++y) {
    const auto* from = image.ptr<unsigned char>(y);
    auto* to = result.ptr<unsigned char>(y);
    for (int x = 0; x < image.cols; ++x, from += 4, to += 3) {
      const int opacity = from[3], white = kWhite - opacity;
      for (int channel = 0; channel < 3; ++channel) {
        const int colour = from[channel];
        const int product = alpha == Alpha::multiplied ? colour : (colour * opacity + kWhite / 2) / kWhite;
        to[channel] = static_cast<unsigned char>(std::min(product + white, kWhite));
      }
    }
  }
  return result;
}

/// Turns an image that was stored under an orientation of EXIF (2.32, 4.6.4) upright.
cv::Mat upright(const cv::Mat& image, int orientation) {
  cv::Mat turned;
  switch (orientation) {
    case 2:
      cv::flip(image, turned, 1);
      return turned;
    case 3:
      cv::rotate(image, turned, cv::ROTATE_180);
      return turned;
    case 4:
      cv::flip(image, turned, 0);
      return turned;
    case 5:
      cv::transpose(image, turned);
      return turned;
    case 6:
      cv::rotate(image, turned, cv::ROTATE_90_CLOCKWISE);
      return turned;
    case 7:
      cv::transpose(image, turned);
      cv::rotate(turned, turned, cv::ROTATE_180);
      return turned;
    case 8:
      cv::rotate(image, turned, cv::ROTATE_90_COUNTERCLOCKWISE);
      return turned;
    default:
      return image;
  }
}

}  // namespace

cv::Mat decode_image(const std::vector<unsigned char>& file, int64_t channels) {
  const ImageHeader header = inspect_image(Bytes(file));
  cv::Mat image = decode_as_stored(file, header);
  if (header.clear_grey) {
    whiten(image, *header.clear_grey);
  }
  if (image.depth() == CV_16U) {
    image.convertTo(image, CV_8U, 1.0 / 257);
  }
  if (image.channels() == 1) {
    cv::cvtColor(image, image, cv::COLOR_GRAY2BGR);
  } else if (image.channels() == 4) {
    image = on_white(image, header.alpha);
  }
  cv::cvtColor(image, image, channels == 1 ? cv::COLOR_BGR2GRAY : cv::COLOR_BGR2RGB);
  return upright(image, header.orientation);
}

void resize_by_area(const cv::Mat& image, cv::Mat& target) {
  // OpenCV takes the area only where no axis grows, or none shrinks; else it samples: so one after the other.
  const cv::Size shrunk(std::min(image.cols, target.cols), std::min(image.rows, target.rows));
  cv::Mat between = image;
  if (shrunk != target.size() && shrunk != image.size()) {
    cv::resize(image, between, shrunk, 0, 0, cv::INTER_AREA);
  }
  cv::resize(between, target, target.size(), 0, 0, cv::INTER_AREA);
}

bool decodes(const ImageFormat& format) {
  const std::string first(format.endings.substr(0, format.endings.find(' ')));
  return cv::haveImageWriter("x" + first);  // OpenCV has both or none
}

bool is_image(const std::string& path) {
  const ImageFormat* const format = format_of_name(path);
  return format != nullptr && decodes(*format);
}

std::string decoded_formats() {
  std::vector<std::string> names;
  for (const ImageFormat& format : image_formats()) {
    if (decodes(format)) {
      names.emplace_back(format.name);
    }
  }
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return text;
}

}  // namespace ufo::data
