#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ufo/base/options.h>
#include <ufo/base/random.h>
#include <ufo/data/image_set.h>

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
  std::vector<std::string> notes;  ///< what every table must say of this data, e.g. that it was cut
  std::filesystem::path cache;     ///< the file that `images` is mapped from; empty where there is none

  const std::vector<EpisodeClass>& of(Split split) const { return classes[static_cast<size_t>(split)]; }
};

/// Which data set, from where, cut how.
struct DatasetOptions {
  std::string name = "omniglot";
  std::string root = "data/omniglot";
  std::string split = "maml";
  int64_t split_seed = 1;
  bool rotations = true;
  int64_t image_size = 28;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("name", self.name, one_of({"omniglot"}), "data set");
    field("root", self.root, anything(), "folder of the archives or of the extracted images");
    field("split", self.split, one_of({"maml", "vinyals", "lake"}),
          "how classes are divided: maml (shuffled by split_seed: 1,100 / 100 / 423 characters), vinyals "
          "(1,028 / 172 "
          "/ 423) or lake (background / evaluation; validation is 5 whole alphabets of background drawn by "
          "split_seed)");
    field("split_seed", self.split_seed, at_least(0),
          "seed of a shuffled split; apart from the run's seed, so that runs of any seed share their test "
          "classes");
    field("rotations", self.rotations, anything(),
          "turn each class into four by rotations of 0, 90, 180 and 270 degrees");
    field("image_size", self.image_size, between(8, 512), "height and width of the images in pixels");
  }
};

/// Loads the data set that `options` names, through its packed cache.
/// Throws ConfigError for an unknown name or split, DataError for missing, damaged or incomplete files.
Dataset load_dataset(const DatasetOptions& options);

}  // namespace ufo::data
