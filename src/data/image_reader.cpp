#include "image_reader.h"

#include "checksum.h"

#include <algorithm>
#include <array>
#include <future>
#include <string_view>
#include <thread>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <ufo/base/error.h>

namespace ufo::data {
namespace {

struct EncodedImage {
  size_t index;
  std::vector<unsigned char> bytes;
};

uint32_t big_endian(const unsigned char* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

/// False for a PNG whose chunks are cut or fail their checksums, which libpng would report on standard error.
bool whole_if_png(const std::vector<unsigned char>& bytes) {
  constexpr std::array<unsigned char, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  constexpr size_t kChunkOverhead = 12;  // length, type and checksum
  if (bytes.size() < kSignature.size() || !std::equal(kSignature.begin(), kSignature.end(), bytes.begin())) {
    return true;
  }
  for (size_t at = kSignature.size(); at + kChunkOverhead <= bytes.size();) {
    const unsigned char* const chunk = bytes.data() + at;
    const size_t length = big_endian(chunk);
    if (length > bytes.size() - at - kChunkOverhead) {
      return false;
    }
    Checksum checksum;
    checksum.add(chunk + 4, length + 4);
    if (checksum.value() != big_endian(chunk + 8 + length)) {
      return false;
    }
    if (std::string_view(reinterpret_cast<const char*>(chunk) + 4, 4) == "IEND") {
      return true;
    }
    at += length + kChunkOverhead;
  }
  return false;
}

cv::Mat decode(const std::vector<unsigned char>& bytes, int64_t channels) {
  cv::Mat image;
  if (!whole_if_png(bytes)) {
    return image;
  }
  try {
    image = cv::imdecode(bytes, channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
  } catch (const cv::Exception&) {
    return {};
  }
  if (channels == 3 && !image.empty()) {
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  }
  return image;
}

/// Decodes a batch on all cores.
void decode_batch(const std::vector<EncodedImage>& batch, const FileTree& tree,
                  const std::vector<std::string>& paths, int64_t channels,
                  const std::function<void(size_t, cv::Mat&)>& use) {
  const size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::future<void>> running;
  for (size_t worker = 0; worker < workers; ++worker) {
    running.push_back(std::async(std::launch::async, [&, worker] {
      for (size_t i = worker; i < batch.size(); i += workers) {
        cv::Mat image = decode(batch[i].bytes, channels);
        if (image.empty()) {
          throw DataError(tree.location().string() + ": need an image, cannot decode " +
                          paths[batch[i].index]);
        }
        use(batch[i].index, image);
      }
    }));
  }
  for (std::future<void>& future : running) {
    future.get();
  }
}

}  // namespace

void decode_images(const FileTree& tree, const std::vector<std::string>& paths, int64_t channels,
                   const std::function<void(size_t index, cv::Mat& image)>& use) {
  constexpr size_t kBatch = 1024;
  std::vector<EncodedImage> batch;
  std::vector<bool> seen(paths.size());
  const auto index_of = [&](const std::string& path) {
    const auto found = std::lower_bound(paths.begin(), paths.end(), path);
    return found != paths.end() && *found == path ? static_cast<size_t>(found - paths.begin()) : paths.size();
  };
  const auto wanted = [&](const std::string& path) {
    const size_t index = index_of(path);
    return index < paths.size() && !seen[index];  // an archive may hold a path twice
  };
  tree.read(wanted, [&](const std::string& path, std::vector<unsigned char> bytes) {
    const size_t index = index_of(path);
    seen[index] = true;
    batch.push_back({index, std::move(bytes)});
    if (batch.size() == kBatch) {
      decode_batch(batch, tree, paths, channels, use);
      batch.clear();
    }
  });
  decode_batch(batch, tree, paths, channels, use);
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing != seen.end()) {
    throw DataError(tree.location().string() + ": need " +
                    paths[static_cast<size_t>(missing - seen.begin())] +
                    ", it went away while the images were read");
  }
}

void read_images(const FileTree& tree, const std::vector<std::string>& paths, bool inverted,
                 const at::Tensor& images) {
  const int height = static_cast<int>(images.size(1)), width = static_cast<int>(images.size(2));
  const int64_t channels = images.size(3);
  uint8_t* const pixels = images.mutable_data_ptr<uint8_t>();
  decode_images(tree, paths, channels, [&](size_t index, cv::Mat& image) {
    const size_t offset = index * static_cast<size_t>(images.stride(0));
    cv::Mat target(height, width, channels == 1 ? CV_8UC1 : CV_8UC3, pixels + offset);
    cv::resize(image, target, target.size(), 0, 0, cv::INTER_AREA);
    if (inverted) {
      cv::bitwise_not(target, target);
    }
  });
}

}  // namespace ufo::data
