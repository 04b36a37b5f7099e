#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ufo/base/random.h>
#include <ufo/data/image_set.h>
#include <ufo/data/options.h>

namespace ufo::data {

/// The three disjoint sets of classes of meta-learning.
enum class Split { train, validation, test };

inline constexpr std::array<const char*, 3> kSplitNames = {"train", "validation", "test"};

/// "train", "validation" or "test". Throws ConfigError for another word.
Split parse_split(const std::string& name);

/// One class that episodes can draw: an image class, seen under a rotation of a multiple of 90 degrees.
struct EpisodeClass {
  int32_t image_class;
  int32_t quarter_turns;  ///< counter-clockwise, 0 to 3

  bool operator==(const EpisodeClass&) const = default;
};

/// What a loader gives: the images, the classes of each split, and how a pixel becomes a number:
/// value = (pixel / 255 - mean[channel]) / deviation[channel].
struct Dataset {
  ImageSet images;
  std::array<std::vector<EpisodeClass>, 3> classes;  ///< indexed by Split
  std::vector<float> mean;                           ///< one a channel
  std::vector<float> deviation;
  std::vector<uint32_t> class_checksums;  ///< of the files of each image class, in their order
  std::vector<std::string> notes;         ///< what every table must say of this data, e.g. that it was cut
  std::vector<std::string> remarks;       ///< what a log must say of how it was read, a line each: files that
                                          ///< were passed over, images that are far from the size asked for
  std::filesystem::path cache;  ///< the file that `images` is mapped from; empty where there is none

  const std::vector<EpisodeClass>& of(Split split) const { return classes[static_cast<size_t>(split)]; }
};

/// Loads the data set that `options` names, through its packed cache.
/// Throws ConfigError as check_dataset_options does, DataError for missing, damaged or incomplete files.
Dataset load_dataset(const DatasetOptions& options);

}  // namespace ufo::data
