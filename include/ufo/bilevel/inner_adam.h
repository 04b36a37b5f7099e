#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/nn/layout.h>

namespace ufo::bilevel {

// T tasks, P parameters of the network; A = P + 1.

/// What the inner loop's Adam (Kingma and Ba, arXiv 1412.6980; inner.optimizer) carries from one task to the
/// next: for each parameter the running mean s of its squared gradients, and the running mean w of the number
/// 1, so that s / w is the mean without its bias towards 0. A numbers behind the parameters in theta. They
/// are no variables of the outer objective: a task begins with those of theta, and an outer step replaces
/// them by the mean of what its tasks end with. The public code of Reptile keeps Adam's state over the tasks
/// likewise, which there run one after the other.
class InnerAdam {
 public:
  /// Decay of the means, and what is added to the root; there is no mean of the gradients (beta1 = 0).
  static constexpr double kDecay = 0.999, kEpsilon = 1e-8;

  /// Of an inner loop without Adam: A = 0.
  InnerAdam() = default;

  /// For parameters that lie as `layout` says.
  explicit InnerAdam(const nn::Layout& layout);

  /// A
  int64_t size() const { return size_; }

  /// Their start [A] float32, zeros.
  at::Tensor initial() const;

  /// Appends them to the layout of theta: "inner.adam.square.<parameter>" and "inner.adam.weight" [1].
  void declare(nn::Layout& layout) const;

  /// Those of theta [P + A], [A]; undefined where A = 0.
  at::Tensor of(const at::Tensor& theta) const;

  /// Takes the tasks' mean out of an estimate [P + A], which then has zeros there: [A]; undefined where A =
  /// 0.
  at::Tensor take_from(const at::Tensor& estimate) const;

  /// Puts `state` [A] into theta [P + A]. Where `skip` (of no dimension, float32, on the device of theta;
  /// undefined stands for 0) is 1, nothing changes. Does nothing where A = 0.
  void put_into(const at::Tensor& theta, const at::Tensor& state, const at::Tensor& skip = {}) const;

 private:
  int64_t size_ = 0;
  std::vector<nn::ParameterEntry> entries_;
};

}  // namespace ufo::bilevel
