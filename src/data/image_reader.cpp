#include "image_reader.h"

#include "data/image/decode.h"

#include <algorithm>

#include <opencv2/core.hpp>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>
#include <ufo/base/parallel.h>
#include <ufo/base/printable.h>

namespace ufo::data {
namespace {

struct EncodedImage {
  size_t index;
  std::vector<unsigned char> bytes;
};

/// Decodes a batch on all cores.
void decode_batch(const std::vector<EncodedImage>& batch, const FileTree& tree,
                  const std::vector<std::string>& paths, int64_t channels, const ImageUse& use,
                  const BrokenUse& use_broken) {
  parallel_tasks(static_cast<int64_t>(batch.size()), [&](int64_t i) {
    const auto& [index, bytes] = batch[static_cast<size_t>(i)];
    cv::Mat image;
    try {
      image = decode_image(bytes, channels);
    } catch (const ImageFault& fault) {
      const std::string message =
          "need an image, cannot decode " + printable(paths[index]) + ": " + fault.what();
      if (!use_broken) {
        throw DataError(tree.location().string() + ": " + message);
      }
      use_broken(index, message);
      return;
    }
    Checksum checksum;
    checksum.add(bytes.data(), bytes.size());
    use(index, {.pixels = image, .file_checksum = checksum.value()});
  });
}

}  // namespace

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
                    printable(paths[static_cast<size_t>(missing - seen.begin())]) +
                    ", it went away while the images were read");
  }
}

void read_images(const FileTree& tree, const std::vector<std::string>& paths, const Placement& placement,
                 const ImageTarget& target, const BrokenUse& use_broken) {
  const at::Tensor& images = target.images;
  const int height = static_cast<int>(images.size(1)), width = static_cast<int>(images.size(2));
  const int64_t channels = images.size(3);
  auto* const pixels = images.mutable_data_ptr<uint8_t>();
  auto* const files = target.files.mutable_data_ptr<int64_t>();
  const auto take = [&](size_t index, const ReadImage& image) {
    const size_t place = placement.places.empty() ? index : static_cast<size_t>(placement.places[index]);
    const size_t offset = place * static_cast<size_t>(images.stride(0));
    cv::Mat resized(height, width, channels == 1 ? CV_8UC1 : CV_8UC3, pixels + offset);
    resize_by_area(image.pixels, resized);
    if (placement.inverted) {
      cv::bitwise_not(resized, resized);
    }
    int64_t* const file = files + place * 3;
    file[0] = image.pixels.rows;
    file[1] = image.pixels.cols;
    file[2] = image.file_checksum;
  };
  decode_images(tree, paths, channels, take, use_broken);
}

}  // namespace ufo::data
