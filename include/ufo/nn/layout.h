#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::nn {

/// What a parameter begins as: all zeros; all ones; or a weight [out, in, receptive field...] at random,
/// either uniform with Glorot's bound sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, AISTATS 2010), or
/// normal of variance 2 / fan_out (He et al., arXiv 1502.01852, equation 14).
enum class Start { zeros, ones, glorot, he };

/// In which order the numbers of a parameter lie in the flat vector.
struct MemoryOrder {
  std::vector<int64_t> axes = {};    ///< the shape with grouped axes apart, e.g. a head's [ways, channels,
                                     ///< height, width]; the shape itself where empty
  std::vector<int64_t> memory = {};  ///< the order of `axes`, slowest first; as they stand where empty
};

/// One named parameter inside the flat parameter vector.
struct ParameterEntry {
  std::string name;            ///< PyTorch's, e.g. "blocks.0.conv.weight"
  std::vector<int64_t> shape;  ///< PyTorch's, e.g. [filters, channels, kernel, kernel]
  Start start = Start::zeros;
  MemoryOrder order;
  bool norm = false;  ///< batch norm's own
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
  /// Appends a parameter.
  void add(std::string name, std::vector<int64_t> shape, Start start, MemoryOrder order = {});

  /// Appends batch norm's own, `name`.weight of ones and `name`.bias of zeros.
  void add_norm(const std::string& name, int64_t channels);

  /// The parameters added from here on belong to a new block. Throws std::logic_error after begin_head().
  void begin_block();

  /// The parameters added from here on, to the end, are the head's: those that tell the classes apart.
  void begin_head();
  bool has_head() const { return head_start_.has_value(); }

  /// The number of blocks before the head.
  int64_t depth() const { return static_cast<int64_t>(block_starts_.size()); }

  /// Where the parameters of the last `blocks` blocks before the head, and of the head, begin in the flat
  /// vector; they reach to its end. 0 for kAllBlocks.
  /// Throws std::invalid_argument where there are fewer blocks, or no head was declared.
  int64_t start_of_last(int64_t blocks) const;

  const std::vector<ParameterEntry>& entries() const { return entries_; }

  /// The entry called `name`. Throws std::invalid_argument where there is none.
  const ParameterEntry& entry(const std::string& name) const;

  /// The same with `rows` rows in each of the head's parameters, whose first axis is the classes; without a
  /// head where that is 0.
  Layout with_head_rows(int64_t rows) const;

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
  std::vector<int64_t> block_starts_;  ///< the head's not among them
  std::optional<int64_t> head_start_;
  int64_t size_ = 0;
};

}  // namespace ufo::nn
