#include "traits.h"

#include <algorithm>
#include <vector>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>
#include <ufo/data/options.h>

namespace ufo::data {
namespace {

const std::vector<Traits>& all_traits() {
  static const std::vector<Traits> traits = {
      {.defaults = {},
       .splits = {"maml", "reptile", "vinyals", "lake"},
       .channels = {1},
       .rotations = true,
       .inverted = true},
      {.defaults = {.name = "mini_imagenet",
                    .root = "data/mini_imagenet",
                    .split = "ravi",
                    .rotations = false,
                    .image_size = 84,
                    .channels = 3},
       .splits = {"ravi"},
       .channels = {3}},
      {.defaults = {.name = "image_folder",
                    .root = "data/images",
                    .split = "auto",
                    .validation_fraction = 0.16,
                    .test_fraction = 0.2,
                    .rotations = false,
                    .image_size = 84,
                    .channels = 3},
       .splits = {"auto", "listed", "shuffled"},
       .channels = {1, 3},
       .rotations = true,
       .fractions = true},
  };
  return traits;
}

}  // namespace

const Traits* traits_of(const std::string& name) {
  const auto found = std::find_if(all_traits().begin(), all_traits().end(),
                                  [&](const Traits& traits) { return traits.defaults.name == name; });
  return found == all_traits().end() ? nullptr : &*found;
}

DatasetOptions dataset_defaults(const std::string& name) {
  const Traits* const traits = traits_of(name);
  return traits != nullptr ? traits->defaults : DatasetOptions{};
}

void check_dataset_options(const DatasetOptions& options, const std::string& path) {
  if (const Traits* const traits = traits_of(options.name)) {
    const std::string of = " of " + options.name;
    check_range(path + ".split" + of, options.split, one_of(traits->splits));
    check_range(path + ".channels" + of, static_cast<double>(options.channels),
                one_of_numbers(traits->channels));
    if (options.rotations && !traits->rotations) {
      throw ConfigError(path + ".rotations" + of + ": need false, got true");
    }
    if (!traits->fractions) {
      check_range(path + ".validation_fraction" + of, options.validation_fraction, one_of_numbers({0}));
      check_range(path + ".test_fraction" + of, options.test_fraction, one_of_numbers({0}));
    }
  }
  if (options.root.find('\0') != std::string::npos) {
    throw ConfigError(path + ".root: need a path, got one with a zero byte, \"" + printable(options.root) +
                      "\"");
  }
  check_ranges(options, path);
}

}  // namespace ufo::data
