#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ufo/data/image_set.h>

namespace ufo::data {

/// What a packed cache holds: a name for people, and a text with everything that the pixels depend on.
struct CacheKey {
  std::string name;
  std::string content;
};

/// The sums that mean and deviation come from, over all pixels of one class in one channel; exact.
struct ChannelSums {
  int64_t values = 0;
  int64_t squares = 0;
};

/// What a cache is built from: classes, sizes, and who writes the pixels.
struct ImagePlan {
  std::vector<int64_t> class_offsets;  ///< as in ImageSet
  std::vector<std::string> class_names;
  int64_t height = 0, width = 0, channels = 0;
  std::string attachment;  ///< a text that the loader wants back with the images
  std::function<void(const at::Tensor& images)> decode;  ///< fills [I, H, W, C] uint8
};

/// Images with what is kept beside them, and the cache file they are mapped from; empty where there is none.
struct CachedImages {
  ImageSet images;
  std::vector<ChannelSums> sums;  ///< channel by channel, class by class
  std::string attachment;
  std::filesystem::path cache;
};

/// The file of `key` in $XDG_CACHE_HOME/ufo-maml or ~/.cache/ufo-maml; empty where neither variable is set.
std::filesystem::path cache_path(const CacheKey& key);

/// Maps the cache file `path`. Nothing, where it is missing, damaged, of another version, or of another key.
/// Pixels of more than 256 MB are trusted, since a checksum of them takes as long as a start may; their file
/// was written whole or not at all.
std::optional<CachedImages> read_cache(const std::filesystem::path& path, const CacheKey& key);

/// Has `plan` decode straight into the cache file `path`. Throws UserError where the file cannot be written,
/// and what `plan.decode` throws; there is no such file then.
void write_cache(const std::filesystem::path& path, const CacheKey& key, const ImagePlan& plan);

/// The images of `key` from its cache, or else as `make_plan` says, and then cached for the next time. Where
/// the cache cannot be written, they are decoded into memory. Throws what `make_plan` and its plan throw.
CachedImages load_through_cache(const CacheKey& key, const std::function<ImagePlan()>& make_plan);

}  // namespace ufo::data
