#pragma once

#include "image_reader.h"

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
  std::string attachment;       ///< a text that the loader wants back with the images
  std::vector<int64_t> splits;  ///< the Split of each class, where its folder says it; else empty
  std::string passed_over;      ///< as PassedOver::line
  std::function<void(const ImageTarget& target)> decode;
};

/// Images with what is kept beside them, and the cache file they are mapped from; empty where there is none.
struct CachedImages {
  ImageSet images;
  at::Tensor files;               ///< [I, 3] int64, as in ImageTarget
  std::vector<ChannelSums> sums;  ///< channel by channel, class by class
  std::string attachment;
  std::vector<int64_t> splits;
  std::string passed_over;
  std::filesystem::path cache;
  std::string remark;  ///< what a log must say of the cache: that it was damaged, or could not be written
};

/// The file of `key` in $XDG_CACHE_HOME/ufo-maml or ~/.cache/ufo-maml; empty where neither variable is set.
std::filesystem::path cache_path(const CacheKey& key);

/// Maps the cache file `path`. Nothing, where it is missing, damaged, of another version, or of another key.
/// Every offset in it is checked. Of a file above 256 MB the checksum is not computed, for it takes as long
/// as a start may; such a file was written whole or not at all.
std::optional<CachedImages> read_cache(const std::filesystem::path& path, const CacheKey& key);

/// Has `plan` decode straight into the cache file `path`. Throws UserError where the file cannot be written,
/// and what `plan.decode` throws; there is no such file then.
void write_cache(const std::filesystem::path& path, const CacheKey& key, const ImagePlan& plan);

/// The images of `key` from its cache, or else as `make_plan` says, and then cached for the next time; of
/// several processes that find none, one decodes and the others wait for it. Where the cache cannot be
/// written, they are decoded into memory. Throws what `make_plan` and its plan throw.
CachedImages load_through_cache(const CacheKey& key, const std::function<ImagePlan()>& make_plan);

}  // namespace ufo::data
