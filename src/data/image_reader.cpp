#include "image_reader.h"

#include "encoded_image.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <future>
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

/// An image, or why there is none.
struct Decoded {
  cv::Mat image;
  std::string reason;  // may be empty: it is no image
};

Decoded decode(const std::vector<unsigned char>& bytes, int64_t channels) {
  if (auto fault = fault_of(bytes)) {
    return {{}, std::move(*fault)};
  }
  cv::Mat image;
  try {
    image = cv::imdecode(bytes, channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
  } catch (const cv::Exception&) {
    return {};
  }
  if (channels == 3 && !image.empty()) {
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  }
  return {std::move(image), ""};
}

/// Decodes a batch on all cores.
void decode_batch(const std::vector<EncodedImage>& batch, const FileTree& tree,
                  const std::vector<std::string>& paths, int64_t channels, const ImageUse& use,
                  const BrokenUse& use_broken) {
  const size_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::future<void>> running;
  for (size_t worker = 0; worker < workers; ++worker) {
    running.push_back(std::async(std::launch::async, [&, worker] {
      for (size_t i = worker; i < batch.size(); i += workers) {
        Decoded decoded = decode(batch[i].bytes, channels);
        if (!decoded.image.empty()) {
          use(batch[i].index, decoded.image);
          continue;
        }
        const std::string reason = decoded.reason.empty() ? "" : ": " + decoded.reason;
        const std::string message = "need an image, cannot decode " + paths[batch[i].index] + reason;
        if (!use_broken) {
          throw DataError(tree.location().string() + ": " + message);
        }
        use_broken(batch[i].index, message);
      }
    }));
  }
  for (std::future<void>& future : running) {
    future.get();
  }
}

}  // namespace

bool is_image(const std::string& path) {
  constexpr std::array<const char*, 5> kEndings = {".png", ".jpg", ".jpeg", ".bmp", ".webp"};
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

bool is_hidden(const std::string& path) {
  return path.starts_with(".") || path.find("/.") != std::string::npos || path.starts_with("__MACOSX/");
}

void decode_images(const FileTree& tree, const std::vector<std::string>& paths, int64_t channels,
                   const ImageUse& use, const BrokenUse& use_broken) {
  constexpr size_t kBatch = 1024, kBatchBytes = kLargestFile;
  std::vector<EncodedImage> batch;
  size_t batch_bytes = 0;
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
    batch_bytes += bytes.size();
    batch.push_back({index, std::move(bytes)});
    if (batch.size() == kBatch || batch_bytes >= kBatchBytes) {
      decode_batch(batch, tree, paths, channels, use, use_broken);
      batch.clear();
      batch_bytes = 0;
    }
  });
  decode_batch(batch, tree, paths, channels, use, use_broken);
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing != seen.end()) {
    throw DataError(tree.location().string() + ": need " +
                    paths[static_cast<size_t>(missing - seen.begin())] +
                    ", it went away while the images were read");
  }
}

void read_images(const FileTree& tree, const std::vector<std::string>& paths, const Placement& placement,
                 const at::Tensor& images) {
  const int height = static_cast<int>(images.size(1)), width = static_cast<int>(images.size(2));
  const int64_t channels = images.size(3);
  uint8_t* const pixels = images.mutable_data_ptr<uint8_t>();
  decode_images(tree, paths, channels, [&](size_t index, cv::Mat& image) {
    const size_t place = placement.places.empty() ? index : static_cast<size_t>(placement.places[index]);
    const size_t offset = place * static_cast<size_t>(images.stride(0));
    cv::Mat target(height, width, channels == 1 ? CV_8UC1 : CV_8UC3, pixels + offset);
    cv::resize(image, target, target.size(), 0, 0, cv::INTER_AREA);
    if (placement.inverted) {
      cv::bitwise_not(target, target);
    }
  });
}

}  // namespace ufo::data
