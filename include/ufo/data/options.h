#pragma once

#include <cstdint>
#include <string>

#include <ufo/base/options.h>

namespace ufo::data {

/// Which data set, from where, cut how. The members' initialisers are the defaults of Omniglot;
/// dataset_defaults has those of the others.
struct DatasetOptions {
  std::string name = "omniglot";
  std::string root = "data/omniglot";
  std::string split = "maml";
  int64_t split_seed = 1;
  double validation_fraction = 0;
  double test_fraction = 0;
  bool rotations = true;
  int64_t image_size = 28;
  int64_t channels = 1;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("name", self.name, one_of({"omniglot", "mini_imagenet", "image_folder"}),
          "data set; the other options of this group have defaults of its own, here those of omniglot");
    field("root", self.root, anything(),
          "folder of the archives or of the extracted images; "
          "mini_imagenet, image_folder: also the archive itself");
    field(
        "split", self.split,
        one_of({"maml", "reptile", "vinyals", "lake", "ravi", "auto", "listed", "shuffled"}),
        "how classes are divided: omniglot by maml (shuffled by split_seed: 1,100 / 100 / 423 characters), "
        "reptile (likewise: 1,200 / 0 / 423, as the Reptile and UFO papers), vinyals (1,028 / 172 / 423) "
        "or lake (background / evaluation; validation is 5 whole alphabets of background drawn by "
        "split_seed); mini_imagenet by ravi (64 / 16 / 20 classes, by its CSV files); "
        "image_folder as listed in its splits.json, shuffled by split_seed, or auto (listed where there is a "
        "splits.json, else shuffled)");
    field("split_seed", self.split_seed, at_least(0),
          "seed of a shuffled split; apart from the run's seed, "
          "so that runs of any seed share their test classes");
    field("validation_fraction", self.validation_fraction, between(0, 0.9),
          "image_folder, shuffled: share of the classes for validation; 0 for others");
    field("test_fraction", self.test_fraction, between(0, 0.9),
          "image_folder, shuffled: share of the classes for testing; 0 for others");
    field("rotations", self.rotations, anything(),
          "turn each class into four by rotations of 0, 90, 180 and 270 degrees; not for mini_imagenet");
    field("image_size", self.image_size, between(8, 512), "height and width of the images in pixels");
    field("channels", self.channels, one_of_numbers({1, 3}),
          "1 (grey; omniglot) or 3 (RGB; mini_imagenet); image_folder: either");
  }
};

/// The defaults of the data set `name`; those of Omniglot for a name that there is not, which
/// check_dataset_options refuses.
DatasetOptions dataset_defaults(const std::string& name);

/// Throws ConfigError for an option out of its range or one that the named data set does not have, such as
/// another's split. `path` begins the message.
void check_dataset_options(const DatasetOptions& options, const std::string& path = "dataset");

}  // namespace ufo::data
