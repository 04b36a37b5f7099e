#include "encoded_images.h"

#include <algorithm>

#include <opencv2/imgcodecs.hpp>
#include <zlib.h>

namespace ufo::data {
namespace {

std::string big(uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) {
    text += static_cast<char>(value >> 8 * i & 255);
  }
  return text;
}

std::string little(uint32_t value, int bytes) {
  std::string text = big(value, bytes);
  std::reverse(text.begin(), text.end());
  return text;
}

/// EXIF's data with an orientation and nothing else.
std::string exif(int orientation) {
  constexpr int kOrientation = 274, kShort = 3;
  return std::string("MM\0*", 4) + big(8, 4) + big(1, 2) + big(kOrientation, 2) + big(kShort, 2) + big(1, 4) +
         big(static_cast<uint32_t>(orientation), 2) + big(0, 2) + big(0, 4);
}

std::string riff_chunk(const std::string& type, const std::string& data) {
  return type + little(static_cast<uint32_t>(data.size()), 4) + data + (data.size() % 2 == 1 ? "\0" : "");
}

Encoded bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

Encoded encode(const cv::Mat& image, const std::string& ending) {
  Encoded bytes;
  std::vector<int> options;
  if (ending == ".webp") {
    options = {cv::IMWRITE_WEBP_QUALITY, 101};  // above 100: without loss
  } else if (ending == ".jpg") {
    options = {cv::IMWRITE_JPEG_QUALITY, 100};
  }
  cv::imencode(ending, image, bytes, options);
  return bytes;
}

Encoded encode_with_orientation(const cv::Mat& image, const std::string& ending, int orientation) {
  const Encoded plain = encode(image, ending);
  std::string text(plain.begin(), plain.end());
  if (ending == ".png") {
    constexpr size_t kBehindHeader = 8 + 25;
    text.insert(kBehindHeader, png_chunk("eXIf", exif(orientation)));
  } else if (ending == ".jpg") {
    const std::string data = std::string("Exif\0\0", 6) + exif(orientation);
    text.insert(2, "\xff\xe1" + big(static_cast<uint32_t>(data.size()) + 2, 2) + data);
  } else {
    const std::string sizes =
        little(static_cast<uint32_t>(image.cols) - 1, 3) + little(static_cast<uint32_t>(image.rows) - 1, 3);
    const std::string chunks = "WEBP" + riff_chunk("VP8X", std::string("\x08\0\0\0", 4) + sizes) +
                               text.substr(12) + riff_chunk("EXIF", exif(orientation));
    text = "RIFF" + little(static_cast<uint32_t>(chunks.size()), 4) + chunks;
  }
  return bytes_of(text);
}

std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto checksum = ::crc32_z(0, reinterpret_cast<const unsigned char*>(body.data()), body.size());
  return big(static_cast<uint32_t>(data.size()), 4) + body + big(static_cast<uint32_t>(checksum), 4);
}

Encoded encode_png_row(int width, int kind, int depth, const std::string& row, const std::string& extra) {
  const std::string filtered = std::string(1, '\0') + row;
  uLongf size = ::compressBound(filtered.size());
  std::string packed(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(filtered.data()),
             filtered.size());
  packed.resize(size);
  const std::string header = big(static_cast<uint32_t>(width), 4) + big(1, 4) + static_cast<char>(depth) +
                             static_cast<char>(kind) + std::string(3, '\0');
  return bytes_of("\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + extra + png_chunk("IDAT", packed) +
                  png_chunk("IEND", ""));
}

Encoded encode_tiff(const TiffTags& tags, const std::string& pixels) {
  constexpr int kShort = 3, kStripOffsets = 273;
  const std::vector<std::pair<int, int>> entries = {
      {256, tags.width},        {257, tags.height},
      {258, tags.bits},         {259, tags.compression},
      {262, tags.photometric},  {kStripOffsets, 0},
      {274, tags.orientation},  {277, tags.samples},
      {278, tags.height},       {279, static_cast<int>(pixels.size())},
      {322, tags.tile_width},   {323, tags.tile_width},
      {338, tags.extra_samples}};
  const auto absent = [&](const auto& entry) { return entry.second == 0 && entry.first != kStripOffsets; };
  const auto count =
      entries.size() - static_cast<size_t>(std::count_if(entries.begin(), entries.end(), absent));
  const auto behind = static_cast<uint32_t>(8 + 2 + 12 * count + 4);
  const auto depths = tags.samples > 2 ? static_cast<uint32_t>(2 * tags.samples) : 0;  // else they are in it
  std::string text = std::string("II*\0", 4) + little(8, 4) + little(static_cast<uint32_t>(count), 2);
  for (const auto& [tag, value] : entries) {
    if (absent(std::pair(tag, value))) {
      continue;
    }
    const bool list = tag == 258;
    const uint32_t content = tag == kStripOffsets       ? behind + depths
                             : list && depths > 0       ? behind
                             : list && tags.samples > 1 ? static_cast<uint32_t>(value) * 0x10001
                                                        : static_cast<uint32_t>(value);
    text += little(static_cast<uint32_t>(tag), 2) + little(kShort, 2) +
            little(list ? static_cast<uint32_t>(tags.samples) : 1, 4) + little(content, 4);
  }
  text += little(0, 4);
  for (uint32_t i = 0; i < depths / 2; ++i) {
    text += little(static_cast<uint32_t>(tags.bits), 2);
  }
  return bytes_of(text + pixels);
}

Encoded encode_gif(int width, int height, int frames) {
  const std::string sizes =
      little(static_cast<uint32_t>(width), 2) + little(static_cast<uint32_t>(height), 2);
  std::string text = "GIF89a" + sizes + std::string(3, '\0');
  for (int i = 0; i < frames; ++i) {
    text += "," + std::string(4, '\0') + sizes + std::string(1, '\0') + "\x02" + std::string(1, '\0');
  }
  return bytes_of(text + ";");
}

}  // namespace ufo::data
