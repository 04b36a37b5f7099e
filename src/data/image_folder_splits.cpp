#include "base/json.h"
#include "episode_classes.h"
#include "image_folder.h"

#include <algorithm>
#include <cmath>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>
#include <ufo/base/random.h>

namespace ufo::data {
namespace {

using Json = nlohmann::ordered_json;
/// The classes of each split, as indices.
using Classes = std::array<std::vector<int32_t>, 3>;

Json parse_list(const std::string& text, const std::string& where) {
  const std::string need = std::string("image_folder: ") + kSplitsFile +
                           ": need the keys train, validation and test, each a list of class names, got ";
  Json list;
  try {
    list = parse_json(text);
  } catch (const JsonFault& fault) {
    throw DataError(need + "bad JSON" + where + " (" + fault.what() + ")");
  }
  if (!list.is_object()) {
    throw DataError(need + list.type_name() + where);
  }
  for (const char* split : kSplitNames) {
    if (!list.contains(split)) {
      throw DataError(need + "no " + split + where);
    }
  }
  for (const auto& [key, names] : list.items()) {
    const bool known = std::find(kSplitNames.begin(), kSplitNames.end(), key) != kSplitNames.end();
    const bool good = names.is_array() && std::all_of(names.begin(), names.end(),
                                                      [](const Json& name) { return name.is_string(); });
    if (!known || !good) {
      throw DataError(need + (known ? "another value of " : "the key ") + printable(key) + where);
    }
  }
  return list;
}

Classes listed(const std::vector<std::string>& names, const std::string& text, const std::string& where) {
  const Json list = parse_list(text, where);
  const std::string file = std::string("image_folder: ") + kSplitsFile;
  Classes classes;
  std::vector<const char*> split_of(names.size(), nullptr);
  for (size_t split = 0; split < classes.size(); ++split) {
    for (const Json& entry : list[kSplitNames[split]]) {
      const auto name = entry.get<std::string>();
      const auto found = std::lower_bound(names.begin(), names.end(), name);
      if (found == names.end() || *found != name) {
        throw DataError(file + ": need a folder of images for each class, found none for " + printable(name) +
                        where);
      }
      const auto c = static_cast<size_t>(found - names.begin());
      if (split_of[c] != nullptr) {
        throw DataError(file + ": need each class once, got " + printable(name) + " in " + split_of[c] +
                        " and in " + kSplitNames[split] + where);
      }
      split_of[c] = kSplitNames[split];
      classes[split].push_back(static_cast<int32_t>(c));
    }
  }
  return classes;
}

Classes by_folder(const std::vector<int64_t>& splits) {
  Classes classes;
  for (size_t c = 0; c < splits.size(); ++c) {
    classes[static_cast<size_t>(splits[c])].push_back(static_cast<int32_t>(c));
  }
  return classes;
}

/// Test classes first, then those of validation, then those of meta-train, so that more classes for
/// validation leave the test classes as they are.
Classes shuffled(size_t count, const DatasetOptions& options) {
  const auto share = [&](double fraction) {
    return static_cast<size_t>(std::llround(fraction * static_cast<double>(count)));
  };
  const size_t test = std::min(share(options.test_fraction), count);
  const size_t validation = std::min(share(options.validation_fraction), count - test);
  const auto number = static_cast<uint32_t>(count);
  const std::vector<uint32_t> order =
      RandomStream(static_cast<uint64_t>(options.split_seed), Purpose::split, 0).sample(number, number);
  Classes classes;
  for (size_t i = 0; i < count; ++i) {
    classes[i < test ? 2 : i < test + validation ? 1 : 0].push_back(static_cast<int32_t>(order[i]));
  }
  return classes;
}

}  // namespace

std::array<std::vector<EpisodeClass>, 3> split_image_folder(const std::vector<std::string>& names,
                                                            const FolderDivision& division,
                                                            const DatasetOptions& options,
                                                            const std::string& where) {
  const std::string& list = division.list;
  if (list.empty() && division.splits.empty() && options.split == "listed") {
    throw DataError(std::string("image_folder: need ") + kSplitsFile + " for the split listed, found none" +
                    where);
  }
  Classes chosen;
  if (options.split == "shuffled" || (list.empty() && division.splits.empty())) {
    chosen = shuffled(names.size(), options);
  } else {
    chosen = list.empty() ? by_folder(division.splits) : listed(names, list, where);
  }
  if (chosen[0].empty()) {
    throw DataError("image_folder: need at least one class in split train, got none of " +
                    std::to_string(names.size()) + where);
  }
  return episode_classes(std::move(chosen), options.rotations);
}

}  // namespace ufo::data
