#include "cache.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

#include <ATen/ATen.h>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>
#include <ufo/base/file_lock.h>
#include <ufo/base/parallel.h>
#include <ufo/base/printable.h>
#include <ufo/base/safetensors.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

// The file is one of safetensors: images [I, H, W, C] uint8; files [I, 3], class_offsets [N + 1], sums
// [N, C, 2] and splits [N or 0] int64; class_names, each ended by a zero byte, and attachment as bytes.
constexpr const char* kVersion = "4";
constexpr size_t kMostChecked = size_t{256} << 20;  // see read_cache

using Tensors = std::map<std::string, at::Tensor>;

/// The sums of each class in each channel of `images` [I, H, W, C].
std::vector<ChannelSums> sum_classes(const at::Tensor& images, const std::vector<int64_t>& class_offsets) {
  const auto channels = static_cast<size_t>(images.size(3));
  const int64_t image = images.size(1) * images.size(2) * images.size(3);
  const uint8_t* const pixels = images.const_data_ptr<uint8_t>();
  std::vector<ChannelSums> sums((class_offsets.size() - 1) * channels);
  parallel_tasks(static_cast<int64_t>(class_offsets.size()) - 1, [&](int64_t c) {
    const auto row = static_cast<size_t>(c);
    const uint8_t* const end = pixels + class_offsets[row + 1] * image;
    std::vector<ChannelSums> own(channels);
    for (const uint8_t* pixel = pixels + class_offsets[row] * image; pixel < end; pixel += channels) {
      for (size_t channel = 0; channel < channels; ++channel) {
        const int64_t value = pixel[channel];
        own[channel].values += value;
        own[channel].squares += value * value;
      }
    }
    std::copy(own.begin(), own.end(), sums.begin() + c * static_cast<int64_t>(channels));
  });
  return sums;
}

/// The images of `plan`, decoded into memory.
CachedImages decode_into_memory(const ImagePlan& plan) {
  CachedImages result{
      .images = {.images = at::empty({plan.class_offsets.back(), plan.height, plan.width, plan.channels},
                                     at::kByte),
                 .class_offsets = plan.class_offsets,
                 .class_names = plan.class_names},
      .files = at::zeros({plan.class_offsets.back(), 3}, at::kLong),
      .sums = {},
      .attachment = plan.attachment,
      .splits = plan.splits,
      .passed_over = plan.passed_over,
      .cache = {},
      .remark = {}};
  plan.decode({result.images.images, result.files});
  result.sums = sum_classes(result.images.images, plan.class_offsets);
  return result;
}

/// The bytes of a tensor as items of another type.
template <class T>
std::vector<T> items_of(const at::Tensor& tensor) {
  std::vector<T> items(tensor.nbytes() / sizeof(T));
  if (!items.empty()) {
    std::memcpy(items.data(), tensor.const_data_ptr(), tensor.nbytes());
  }
  return items;
}

template <class Items>
void put(const at::Tensor& tensor, const Items& items) {
  const auto bytes = std::as_bytes(std::span(items));
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(tensor.mutable_data_ptr()));
}

std::string text_of(const at::Tensor& tensor) {
  const auto bytes = items_of<char>(tensor);
  return {bytes.begin(), bytes.end()};
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += name + '\0';
  }
  return text;
}

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\0'), text.size());
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

/// Whether `tensors` are those of a cache, of sizes that fit each other, and every offset leads to an image.
bool fits(const Tensors& tensors) {
  const auto is = [&](const char* name, at::ScalarType type, int64_t dimensions) {
    const auto found = tensors.find(name);
    return found != tensors.end() && found->second.scalar_type() == type && found->second.dim() == dimensions;
  };
  if (!is("images", at::kByte, 4) || !is("files", at::kLong, 2) || !is("class_offsets", at::kLong, 1) ||
      !is("sums", at::kLong, 3) || !is("splits", at::kLong, 1) || !is("class_names", at::kByte, 1) ||
      !is("attachment", at::kByte, 1)) {
    return false;
  }
  const at::Tensor& images = tensors.at("images");
  const int64_t count = images.size(0), classes = tensors.at("class_offsets").numel() - 1;
  const auto offsets = items_of<int64_t>(tensors.at("class_offsets"));
  const auto splits = items_of<int64_t>(tensors.at("splits"));
  return classes >= 0 && images.size(3) >= 1 && tensors.at("files").sizes() == at::IntArrayRef({count, 3}) &&
         tensors.at("sums").sizes() == at::IntArrayRef({classes, images.size(3), 2}) &&
         std::is_sorted(offsets.begin(), offsets.end()) && offsets.front() == 0 && offsets.back() == count &&
         std::ssize(split_names(text_of(tensors.at("class_names")))) == classes &&
         (splits.empty() || std::ssize(splits) == classes) &&
         std::all_of(splits.begin(), splits.end(), [](int64_t split) { return split >= 0 && split < 3; });
}

std::map<std::string, std::string> metadata_of(const CacheKey& key) {
  return {{"cache of images", kVersion}, {"key", printable(key.content)}};
}

}  // namespace

fs::path cache_path(const CacheKey& key) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache != nullptr &&
      fs::path(cache).is_absolute()) {  // others are to be ignored, says the XDG specification
    folder = cache;
  } else if (home != nullptr && *home != '\0') {
    folder = fs::path(home) / ".cache";
  } else {
    return {};
  }
  Checksum checksum;
  checksum.add(key.content.data(), key.content.size());
  return folder / "ufo-maml" / (key.name + "-" + checksum.text() + ".safetensors");
}

std::optional<CachedImages> read_cache(const fs::path& path, const CacheKey& key) {
  TensorFile file;
  try {
    file = map_safetensors(path, kMostChecked);
  } catch (const DataError&) {
    return std::nullopt;
  }
  const auto passed_over = file.metadata.extract("passed_over");
  if (file.metadata != metadata_of(key) || passed_over.empty() || !fits(file.tensors)) {
    return std::nullopt;
  }
  return CachedImages{.images = {.images = file.tensors.at("images"),
                                 .class_offsets = items_of<int64_t>(file.tensors.at("class_offsets")),
                                 .class_names = split_names(text_of(file.tensors.at("class_names")))},
                      .files = file.tensors.at("files"),
                      .sums = items_of<ChannelSums>(file.tensors.at("sums")),
                      .attachment = text_of(file.tensors.at("attachment")),
                      .splits = items_of<int64_t>(file.tensors.at("splits")),
                      .passed_over = passed_over.mapped(),
                      .cache = path,
                      .remark = {}};
}

void write_cache(const fs::path& path, const CacheKey& key, const ImagePlan& plan) {
  const int64_t images = plan.class_offsets.back(), classes = std::ssize(plan.class_names);
  const std::string names = join(plan.class_names);
  auto metadata = metadata_of(key);
  metadata["passed_over"] = plan.passed_over;
  const std::vector<TensorPlan> plans = {
      {"images", at::kByte, {images, plan.height, plan.width, plan.channels}},
      {"files", at::kLong, {images, 3}},
      {"class_offsets", at::kLong, {classes + 1}},
      {"sums", at::kLong, {classes, plan.channels, 2}},
      {"splits", at::kLong, {std::ssize(plan.splits)}},
      {"class_names", at::kByte, {std::ssize(names)}},
      {"attachment", at::kByte, {std::ssize(plan.attachment)}}};
  save_safetensors(path, plans, metadata, [&](const Tensors& tensors) {
    plan.decode({tensors.at("images"), tensors.at("files")});
    put(tensors.at("class_offsets"), plan.class_offsets);
    put(tensors.at("sums"), sum_classes(tensors.at("images"), plan.class_offsets));
    put(tensors.at("splits"), plan.splits);
    put(tensors.at("class_names"), names);
    put(tensors.at("attachment"), plan.attachment);
  });
}

CachedImages load_through_cache(const CacheKey& key, const std::function<ImagePlan()>& make_plan) {
  const fs::path path = cache_path(key);
  if (auto images = path.empty() ? std::nullopt : read_cache(path, key)) {
    return std::move(*images);
  }
  const ImagePlan plan = make_plan();
  if (path.empty()) {
    return decode_into_memory(plan);
  }
  std::error_code ignored;  // the write names the folder where it cannot be made
  fs::create_directories(path.parent_path(), ignored);
  const FileLock lock(path.string() + ".lock");
  if (auto images = read_cache(path, key)) {  // another process was first
    return std::move(*images);
  }
  const std::string damaged =
      fs::exists(path, ignored) ? "made the cache " + printable(path.string()) + " anew: it was damaged" : "";
  try {
    write_cache(path, key, plan);
  } catch (const DataError&) {
    throw;  // the images are at fault, not the cache
  } catch (const UserError& error) {
    CachedImages images = decode_into_memory(plan);
    images.remark = std::string("images are held in memory without a cache: ") + error.what();
    return images;
  }
  auto images = read_cache(path, key);
  CachedImages result = images ? std::move(*images) : decode_into_memory(plan);
  result.remark = damaged;
  return result;
}

}  // namespace ufo::data
