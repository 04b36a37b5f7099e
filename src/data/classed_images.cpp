#include "classed_images.h"

#include "image_reader.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <string_view>

#include <ATen/ATen.h>
#include <opencv2/core.hpp>

#include <ufo/base/checksum.h>
#include <ufo/base/printable.h>

namespace ufo::data {
namespace {

/// What verification keeps of an image.
struct Seen {
  int height = 0, width = 0;
  uint32_t checksum = 0;
  size_t hash = 0;  // beside the checksum, for 32 bits meet by chance among 60,000 images

  auto key() const { return std::tuple(height, width, checksum, hash); }
};

Seen look_at(const cv::Mat& image) {
  const size_t bytes = image.total() * image.elemSize();
  Checksum checksum;
  checksum.add(image.ptr(), bytes);
  const std::string_view pixels(reinterpret_cast<const char*>(image.ptr()), bytes);
  return {image.rows, image.cols, checksum.value(), std::hash<std::string_view>()(pixels)};
}

std::vector<std::string> paths_of(const ClassedImages& images) {
  std::vector<std::string> paths;
  for (const ImageFile& file : images.files) {
    paths.push_back(file.path);
  }
  return paths;
}

/// The image that each file becomes.
std::vector<int64_t> places_of(const ClassedImages& images) {
  std::vector<int64_t> next(images.class_offsets.begin(), images.class_offsets.end() - 1);
  std::vector<int64_t> places;
  for (const ImageFile& file : images.files) {
    places.push_back(next[static_cast<size_t>(file.image_class)]++);
  }
  return places;
}

/// "a.png has the same pixels as b.png, of another class".
std::vector<std::string> find_twins(const ClassedImages& images, const std::vector<Seen>& seen) {
  std::vector<std::string> twins;
  std::map<decltype(Seen().key()), size_t> first;
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].height == 0) {
      continue;  // broken
    }
    const ImageFile& file = images.files[i];
    const auto [twin, is_new] = first.try_emplace(seen[i].key(), i);
    if (!is_new) {
      const ImageFile& other = images.files[twin->second];
      const std::string whose = other.image_class == file.image_class ? "" : ", of another class";
      twins.push_back("duplicate: " + printable(file.path) + " has the pixels of " + printable(other.path) +
                      whose);
    }
  }
  return twins;
}

/// As ImageTarget::files, where the sizes are asked for alone.
at::Tensor sizes_of(const std::vector<Seen>& seen) {
  at::Tensor files = at::zeros({std::ssize(seen), 3}, at::kLong);
  auto* value = files.mutable_data_ptr<int64_t>();
  for (const Seen& image : seen) {
    *value++ = image.height;
    *value++ = image.width;
    *value++ = 0;
  }
  return files;
}

/// Of each class, from the checksums of its files in their order.
std::vector<uint32_t> checksums_of(const CachedImages& cached) {
  const auto* const files = cached.files.const_data_ptr<int64_t>();
  std::vector<uint32_t> checksums;
  for (int64_t c = 0; c < cached.images.classes(); ++c) {
    Checksum checksum;
    for (int64_t i = cached.images.class_offsets[static_cast<size_t>(c)];
         i < cached.images.class_offsets[static_cast<size_t>(c) + 1]; ++i) {
      const auto own = static_cast<uint32_t>(files[3 * i + 2]);
      checksum.add(&own, sizeof own);
    }
    checksums.push_back(checksum.value());
  }
  return checksums;
}

}  // namespace

void add_line(std::vector<std::string>& lines, std::string line) {
  if (!line.empty()) {
    lines.push_back(std::move(line));
  }
}

ClassedImages classify(std::shared_ptr<const FileTree> tree, std::vector<std::string> class_names,
                       std::vector<ImageFile> files) {
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  std::vector<int64_t> offsets(class_names.size() + 1);
  for (const ImageFile& file : files) {
    ++offsets[static_cast<size_t>(file.image_class) + 1];
  }
  for (size_t c = 1; c < offsets.size(); ++c) {
    offsets[c] += offsets[c - 1];
  }
  return {.tree = std::move(tree),
          .class_names = std::move(class_names),
          .files = std::move(files),
          .class_offsets = std::move(offsets),
          .passed_over = {}};
}

ImagePlan plan_images(ClassedImages images, int64_t size, int64_t channels) {
  ImagePlan plan{.class_offsets = images.class_offsets,
                 .class_names = images.class_names,
                 .height = size,
                 .width = size,
                 .channels = channels,
                 .attachment = {},
                 .splits = {},
                 .passed_over = images.passed_over.line(),
                 .decode = {}};
  plan.decode = [images = std::move(images)](const ImageTarget& target) {
    read_images(*images.tree, paths_of(images), {.places = places_of(images)}, target);
  };
  return plan;
}

Dataset dataset_of(CachedImages cached) {
  Dataset dataset;
  dataset.class_checksums = checksums_of(cached);
  add_line(dataset.remarks, std::move(cached.passed_over));
  add_line(dataset.remarks, std::move(cached.remark));
  add_line(dataset.remarks, line_of_sizes(cached.files, cached.images.images.size(1)));
  dataset.images = std::move(cached.images);
  dataset.cache = std::move(cached.cache);
  return dataset;
}

void normalize(Dataset& dataset, const std::vector<ChannelSums>& sums) {
  const ImageSet& set = dataset.images;
  const auto channels = static_cast<size_t>(set.images.size(3));
  const int64_t pixels = set.images.size(1) * set.images.size(2);
  dataset.mean.assign(channels, 0);
  dataset.deviation.assign(channels, 1);
  for (size_t channel = 0; channel < channels; ++channel) {
    ChannelSums all;
    int64_t count = 0;
    for (const EpisodeClass& c : dataset.of(Split::train)) {
      const ChannelSums& own = sums[static_cast<size_t>(c.image_class) * channels + channel];
      all.values += own.values;
      all.squares += own.squares;
      count += set.class_size(c.image_class) * pixels;
    }
    if (count == 0) {
      continue;
    }
    const double mean = static_cast<double>(all.values) / static_cast<double>(count);
    const double variance = static_cast<double>(all.squares) / static_cast<double>(count) - mean * mean;
    dataset.mean[channel] = static_cast<float>(mean / 255);
    if (variance > 1e-9) {  // below is rounding: a single other pixel among 10^9 gives more
      dataset.deviation[channel] = static_cast<float>(std::sqrt(variance) / 255);
    }
  }
}

Verification verify_images(const ClassedImages& images, int64_t size, int64_t channels) {
  std::vector<Seen> seen(images.files.size());
  std::map<size_t, std::string> broken;
  std::mutex mutex;
  decode_images(
      *images.tree, paths_of(images), channels,
      [&](size_t index, const ReadImage& image) { seen[index] = look_at(image.pixels); },
      [&](size_t index, const std::string& message) {
        const std::lock_guard lock(mutex);
        broken[index] = message;
      });
  Verification found;
  for (const auto& [index, message] : broken) {
    found.broken.push_back(message);
  }
  found.oddities = find_twins(images, seen);
  add_line(found.remarks, images.passed_over.line());
  add_line(found.remarks, line_of_sizes(sizes_of(seen), size));
  Checksum all;
  for (const Seen& image : seen) {
    all.add(&image.checksum, sizeof(image.checksum));
  }
  found.sources = {{.path = images.tree->location(),
                    .classes = static_cast<int64_t>(images.class_names.size()),
                    .images = static_cast<int64_t>(images.files.size()),
                    .digest = "crc32 " + all.text()}};
  return found;
}

}  // namespace ufo::data
