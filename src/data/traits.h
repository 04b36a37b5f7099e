#pragma once

#include <string>
#include <vector>

#include <ufo/data/options.h>

namespace ufo::data {

/// What sets one data set apart: its defaults, the choices it has, and how its images are read.
struct Traits {
  DatasetOptions defaults;
  std::vector<std::string> splits;
  std::vector<double> channels;
  bool rotations = false;
  bool fractions = false;  ///< of the classes, for validation and testing
  bool inverted = false;   ///< dark strokes on white become bright ones on black
};

/// Those of the data set `name`; null where there is none of that name.
const Traits* traits_of(const std::string& name);

/// Traits::inverted of the data set `name`; false where there is none of that name.
inline bool is_inverted(const std::string& name) {
  const Traits* const traits = traits_of(name);
  return traits != nullptr && traits->inverted;
}

}  // namespace ufo::data
