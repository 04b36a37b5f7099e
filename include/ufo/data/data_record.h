#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <ufo/data/dataset.h>

namespace ufo::data {

/// What a run keeps of one image class.
struct ClassRecord {
  std::string name;  ///< printable
  int64_t images = 0;
  uint32_t checksum = 0;  ///< CRC-32 over those of its files, in their order

  bool operator==(const ClassRecord&) const = default;
};

/// What a run keeps of its data, to know them again: the image classes of each split, rotations not counted.
struct DataRecord {
  std::array<std::vector<ClassRecord>, 3> classes;  ///< by Split; sorted by name

  bool operator==(const DataRecord&) const = default;
};

DataRecord record_of(const Dataset& dataset);

/// How data differ from those of a record.
struct DataChange {
  std::string text;    ///< one line, such as "1 class moved from train to test (cat); 2 classes new in train
                       ///< (emu, fox)"; empty where nothing changed
  bool leaks = false;  ///< a class stands in another split than before: what was learned and what is tested
                       ///< would no longer be apart
};

DataChange compare(const DataRecord& before, const DataRecord& now);

}  // namespace ufo::data
