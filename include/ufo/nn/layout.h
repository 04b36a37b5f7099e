#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::nn {

/// One named parameter inside the flat parameter vector.
struct ParameterEntry {
  std::string name;            ///< PyTorch's, e.g. "blocks.0.conv.weight"
  std::vector<int64_t> shape;  ///< PyTorch's, e.g. [filters, channels, kernel, kernel]
  std::vector<int64_t>
      axes;  ///< the same with grouped axes apart, e.g. a head's [ways, channels, height, width]
  std::vector<int64_t> memory;  ///< the order of `axes` in the flat vector, slowest first
  int64_t offset = 0;
  int64_t size = 0;
};

/// Every block of a network.
inline constexpr int64_t kAllBlocks = std::numeric_limits<int64_t>::max();

/// Where each parameter of a network lies in a flat vector of P numbers. The bilevel solvers see only flat
/// vectors, [P] or [T, P] for T tasks; files and users see named tensors in PyTorch's shapes. The order in
/// memory is the one that the kernels like (channels last), so that no step of a training run reorders
/// anything.
class Layout {
 public:
  /// Appends a parameter; `axes` defaults to `shape`, `memory` to the order as given.
  void add(std::string name, std::vector<int64_t> shape, std::vector<int64_t> axes = {},
           std::vector<int64_t> memory = {});

  /// The parameters added from here on belong to a new block; those of the last one are the head's.
  void begin_block() { block_starts_.push_back(size_); }

  /// Where each block begins in the flat vector, the head last.
  const std::vector<int64_t>& block_starts() const { return block_starts_; }

  /// The number of blocks before the head; 0 where no block was ever begun.
  int64_t depth() const;

  /// Where the parameters of the last `blocks` blocks before the head, and of the head, begin in the flat
  /// vector; they reach to its end. 0 for kAllBlocks.
  /// Throws std::invalid_argument where there are fewer blocks.
  int64_t start_of_last(int64_t blocks) const;

  const std::vector<ParameterEntry>& entries() const { return entries_; }

  /// The entry called `name`. Throws std::invalid_argument where there is none.
  const ParameterEntry& entry(const std::string& name) const;

  /// P, the length of the flat vector.
  int64_t size() const { return size_; }

  /// The parameters of `flat` [..., P] as tensors [..., shape], in the order of entries(). Differentiable;
  /// views where the memory order allows it, else copies.
  std::vector<at::Tensor> unpack(const at::Tensor& flat) const;

  /// The inverse of unpack: tensors [..., shape], an undefined one for zeros, to a fresh flat [..., P].
  /// Throws std::invalid_argument where the number of tensors or a shape differs.
  at::Tensor pack(const std::vector<at::Tensor>& tensors) const;

 private:
  std::vector<ParameterEntry> entries_;
  std::vector<int64_t> block_starts_;
  int64_t size_ = 0;
};

}  // namespace ufo::nn
