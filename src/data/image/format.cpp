#include "data/image/format.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <iterator>

namespace ufo::data {
namespace {

/// Every format there is. A new one is a line here and a file beside this one.
constexpr ImageFormat kFormats[] = {
    {"PNG", ".png ", [](const Bytes& file) { return file.has(0, "\x89PNG\r\n\x1a\n"); }, &inspect_png},
    {"JPEG", ".jpg .jpeg .jpe .jfif ", [](const Bytes& file) { return file.has(0, "\xff\xd8\xff"); },
     &inspect_jpeg},
    {"BMP", ".bmp .dib ", [](const Bytes& file) { return file.has(0, "BM"); }, &inspect_bmp},
    {"WebP", ".webp ", [](const Bytes& file) { return file.has(0, "RIFF") && file.has(8, "WEBP"); },
     &inspect_webp},
    {"GIF", ".gif ", [](const Bytes& file) { return file.has(0, "GIF87a") || file.has(0, "GIF89a"); },
     &inspect_gif},
    {"TIFF", ".tif .tiff ",
     [](const Bytes& file) {
       return file.has(0, std::string_view("II*\0", 4)) || file.has(0, std::string_view("MM\0*", 4));
     },
     &inspect_tiff},
};

}  // namespace

ImageHeader inspect_image(const Bytes& file) {
  const auto format = std::find_if(std::begin(kFormats), std::end(kFormats),
                                   [&](const ImageFormat& candidate) { return candidate.begins(file); });
  if (format == std::end(kFormats)) {
    throw ImageFault("its content is of no known format");
  }
  return format->inspect(file);
}

const ImageFormat* format_of_name(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (ending.empty()) {
    return nullptr;
  }
  const auto format = std::find_if(std::begin(kFormats), std::end(kFormats), [&](const ImageFormat& one) {
    return one.endings.find(ending + ' ') != std::string_view::npos;
  });
  return format == std::end(kFormats) ? nullptr : format;
}

std::span<const ImageFormat> image_formats() { return kFormats; }

void check_pixels(uint64_t width, uint64_t height) {
  if (width * height > static_cast<uint64_t>(kMostPixels)) {
    throw ImageFault("it has " + std::to_string(width) + "x" + std::to_string(height) +
                     " pixels, of at most " + std::to_string(kMostPixels / 1'000'000) + " million");
  }
}

void check_frames(int64_t frames) {
  if (frames > kMostFrames) {
    throw ImageFault("it has more than " + std::to_string(kMostFrames) + " frames");
  }
}

}  // namespace ufo::data
