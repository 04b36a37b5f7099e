#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::data {

/// Images grouped by class: I images of H x W pixels and C channels, the images of class c being those
/// numbered class_offsets[c] to class_offsets[c + 1] - 1.
struct ImageSet {
  at::Tensor images;                   ///< [I, H, W, C] uint8, contiguous; may be a read-only file mapping
  std::vector<int64_t> class_offsets;  ///< one more than there are classes, from 0 to I
  std::vector<std::string> class_names;

  int64_t classes() const { return static_cast<int64_t>(class_names.size()); }
  int64_t class_size(int64_t c) const { return class_offsets[c + 1] - class_offsets[c]; }
};

}  // namespace ufo::data
