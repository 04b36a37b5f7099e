#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/nn/layout.h>

namespace ufo::bilevel {

// T tasks, P parameters of the network, of which M are batch norm's own; N = (r - 1) M.

/// Batch norm's weights and biases for each of r inner steps (MAML++, arXiv 1810.09502, section 4): outer
/// variables that no inner step changes. Step j takes set number j, and the query set after it takes the same
/// set, as in the paper's code. Set 0 is the network's own, among its P parameters; the others are N numbers
/// behind these in theta. Steps beyond the last take its set.
class StepNorms {
 public:
  /// One set for all steps, the network's own: N = 0.
  StepNorms() = default;

  /// A set for each of `steps` steps; `layout` is that of theta without what belongs to the steps, whose body
  /// is the network's.
  StepNorms(int64_t steps, const nn::Layout& layout);

  /// N
  int64_t size() const { return further_sets_ * (at_.defined() ? at_.size(0) : 0); }

  /// Their start [N], as that of the network's own in `start` [P].
  at::Tensor initial(const at::Tensor& start) const;

  /// Appends them to the layout of theta: "inner.norm.1.blocks.0.norm.weight" for step 1, the second one.
  void declare(nn::Layout& layout) const;

  /// The same for a theta on `device`.
  StepNorms to(at::Device device) const;

  /// phi [T, P] with batch norm's own parameters those of step j; theta [P + N + R].
  at::Tensor enter(const at::Tensor& theta, const at::Tensor& phi, int64_t j) const;

  /// As Problem::entry_adjoint.
  at::Tensor entry_adjoint(at::Tensor& w, int64_t j) const;

 private:
  /// Which of the further sets step j takes; -1: the network's own.
  int64_t further_set(int64_t j) const { return std::min(j, further_sets_) - 1; }

  int64_t further_sets_ = 0, parameters_ = 0;
  std::vector<nn::ParameterEntry> entries_;  ///< of batch norm
  at::Tensor at_;                            ///< [M] where they lie in the flat vector
};

}  // namespace ufo::bilevel
