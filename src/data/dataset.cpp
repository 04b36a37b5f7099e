#include "image_folder.h"
#include "mini_imagenet.h"
#include "omniglot.h"

#include <algorithm>

#include <ufo/base/error.h>
#include <ufo/data/dataset.h>
#include <ufo/data/verification.h>

namespace ufo::data {
namespace {

struct Loader {
  const char* name;
  Dataset (*load)(const DatasetOptions&);
  Verification (*verify)(const DatasetOptions&);
};

/// Every data set there is. A new one is a line here, its defaults and choices in options.cpp, a word in
/// DatasetOptions, and a source file.
constexpr Loader kLoaders[] = {
    {"omniglot", [](const DatasetOptions& options) { return load_omniglot(options); },
     [](const DatasetOptions& options) { return verify_omniglot(options); }},
    {"mini_imagenet", [](const DatasetOptions& options) { return load_mini_imagenet(options); },
     [](const DatasetOptions& options) { return verify_mini_imagenet(options); }},
    {"image_folder", &load_image_folder, &verify_image_folder},
};

const Loader& loader_of(const DatasetOptions& options) {
  check_dataset_options(options);
  const auto found = std::find_if(std::begin(kLoaders), std::end(kLoaders),
                                  [&](const Loader& loader) { return options.name == loader.name; });
  if (found == std::end(kLoaders)) {
    throw ConfigError("dataset.name: need a data set that can be loaded, got \"" + options.name + "\"");
  }
  return *found;
}

}  // namespace

Split parse_split(const std::string& name) {
  for (size_t split = 0; split < kSplitNames.size(); ++split) {
    if (name == kSplitNames[split]) {
      return static_cast<Split>(split);
    }
  }
  throw ConfigError("split: need one of train, validation, test, got \"" + name + "\"");
}

Dataset load_dataset(const DatasetOptions& options) { return loader_of(options).load(options); }

Verification verify_dataset(const DatasetOptions& options) { return loader_of(options).verify(options); }

DatasetSummary summarize(const Dataset& dataset) {
  const ImageSet& set = dataset.images;
  DatasetSummary summary{.images = set.images.size(0),
                         .image_classes = set.classes(),
                         .classes = {},
                         .height = set.images.size(1),
                         .width = set.images.size(2),
                         .channels = set.images.size(3),
                         .smallest_class = set.classes() > 0 ? set.class_size(0) : 0,
                         .largest_class = 0,
                         .bytes = static_cast<int64_t>(set.images.nbytes()),
                         .cache = dataset.cache};
  for (size_t split = 0; split < dataset.classes.size(); ++split) {
    summary.classes[split] = static_cast<int64_t>(dataset.classes[split].size());
  }
  for (int64_t c = 0; c < set.classes(); ++c) {
    summary.smallest_class = std::min(summary.smallest_class, set.class_size(c));
    summary.largest_class = std::max(summary.largest_class, set.class_size(c));
  }
  return summary;
}

}  // namespace ufo::data
