#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <ufo/data/image_set.h>

namespace ufo::data {

/// What a packed cache holds: a name for people, and a text with everything that the pixels depend on.
struct CacheKey {
  std::string name;
  std::string content;
};

/// Images and the cache file they are mapped from; empty where there is none.
struct CachedImages {
  ImageSet images;
  std::filesystem::path cache;
};

/// The file of `key` in $XDG_CACHE_HOME/ufo-maml or ~/.cache/ufo-maml; empty where neither variable is set.
std::filesystem::path cache_path(const CacheKey& key);

/// Maps the cache file `path`. Nothing, where it is missing, damaged, of another version, or of another key.
std::optional<ImageSet> read_cache(const std::filesystem::path& path, const CacheKey& key);

/// Writes `images` to the cache file `path`. Throws UserError where that fails.
void write_cache(const std::filesystem::path& path, const CacheKey& key, const ImageSet& images);

/// The images of `key` from its cache, or else from `build`, which are then cached for the next time. A cache
/// that cannot be written is done without.
CachedImages load_through_cache(const CacheKey& key, const std::function<ImageSet()>& build);

}  // namespace ufo::data
