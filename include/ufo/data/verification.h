#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ufo/data/dataset.h>

namespace ufo::data {

/// One archive or folder that was read through.
struct VerifiedSource {
  std::filesystem::path path;
  int64_t groups = 0;  ///< alphabets of Omniglot; 0 where classes have no groups
  int64_t classes = 0;
  int64_t images = 0;
  std::string digest;  ///< of the decoded pixels in the order of their names, e.g. "crc32 1a2b3c4d"
  bool has_published_digest = false;  ///< there is a digest of the published release to compare with
  bool as_published = false;          ///< the digest is that of the published release
};

/// What verify_dataset found.
struct Verification {
  std::vector<VerifiedSource> sources;
  std::array<int64_t, 3> classes{};     ///< episode classes of each Split, rotations counted
  std::vector<std::string> broken{};    ///< files that are no whole images, a line each
  std::vector<std::string> oddities{};  ///< images that have the pixels of another, a line each
  std::vector<std::string> remarks{};   ///< as Dataset::remarks
};

/// Reads and decodes every image of the data set that `options` names, past its cache, and checks that all
/// are there, and that its split divides them without overlap. Throws as load_dataset does, on the first
/// thing wrong; of mini_imagenet, broken images are listed instead.
Verification verify_dataset(const DatasetOptions& options);

/// A data set in figures.
struct DatasetSummary {
  int64_t images = 0;
  int64_t image_classes = 0;         ///< classes before rotations
  std::array<int64_t, 3> classes{};  ///< episode classes of each Split, rotations counted
  int64_t height = 0, width = 0, channels = 0;
  int64_t smallest_class = 0, largest_class = 0;  ///< in images
  int64_t bytes = 0;                              ///< of all pixels
  std::filesystem::path cache;  ///< the file they are mapped from; empty where there is none
};

/// Counts what `dataset` holds.
DatasetSummary summarize(const Dataset& dataset);

}  // namespace ufo::data
