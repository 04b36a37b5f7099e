#include <algorithm>
#include <map>
#include <set>

#include <ufo/base/printable.h>
#include <ufo/data/data_record.h>

namespace ufo::data {
namespace {

/// A class and its split.
struct Place {
  size_t split;
  const ClassRecord* record;
};

std::map<std::string, Place> places_of(const DataRecord& record) {
  std::map<std::string, Place> places;
  for (size_t split = 0; split < record.classes.size(); ++split) {
    for (const ClassRecord& one : record.classes[split]) {
      places[one.name] = {split, &one};
    }
  }
  return places;
}

/// Classes by what became of them, such as "moved from train to test".
class Changes {
 public:
  void add(const std::string& what, const std::string& name) { names_[what].push_back(name); }

  std::string text() const {
    constexpr size_t kShown = 5;
    std::string text;
    for (const auto& [what, names] : names_) {
      text += (text.empty() ? "" : "; ") + std::to_string(names.size()) +
              (names.size() == 1 ? " class " : " classes ") + what + " (";
      for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
        text += (i == 0 ? "" : ", ") + names[i];
      }
      text += names.size() > kShown ? ", ...)" : ")";
    }
    return text;
  }

 private:
  std::map<std::string, std::vector<std::string>> names_;
};

}  // namespace

DataRecord record_of(const Dataset& dataset) {
  DataRecord record;
  for (size_t split = 0; split < dataset.classes.size(); ++split) {
    std::set<int32_t> image_classes;
    for (const EpisodeClass& one : dataset.classes[split]) {
      image_classes.insert(one.image_class);
    }
    for (const int32_t c : image_classes) {
      const auto index = static_cast<size_t>(c);
      record.classes[split].push_back({.name = printable(dataset.images.class_names.at(index)),
                                       .images = dataset.images.class_size(c),
                                       .checksum = dataset.class_checksums.at(index)});
    }
    std::sort(record.classes[split].begin(), record.classes[split].end(),
              [](const ClassRecord& a, const ClassRecord& b) { return a.name < b.name; });
  }
  return record;
}

DataChange compare(const DataRecord& before, const DataRecord& now) {
  const auto old_places = places_of(before), places = places_of(now);
  Changes changes;
  DataChange change;
  for (const auto& [name, old] : old_places) {
    const auto found = places.find(name);
    const std::string split = kSplitNames[old.split];
    if (found == places.end()) {
      changes.add("gone from " + split, name);
      continue;
    }
    const Place& place = found->second;
    if (place.split != old.split) {
      changes.add("moved from " + split + " to " + kSplitNames[place.split], name);
      change.leaks = true;
    }
    if (place.record->images != old.record->images) {
      changes.add("with another number of images", name + ": " + std::to_string(old.record->images) +
                                                       ", now " + std::to_string(place.record->images));
    } else if (place.record->checksum != old.record->checksum) {
      changes.add("with other images", name);
    }
  }
  for (const auto& [name, place] : places) {
    if (!old_places.contains(name)) {
      changes.add(std::string("new in ") + kSplitNames[place.split], name);
    }
  }
  change.text = changes.text();
  return change;
}

}  // namespace ufo::data
