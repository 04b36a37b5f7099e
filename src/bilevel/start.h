#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/classification.h>

namespace ufo::bilevel {

/// The support sets of T tasks: images [T, K, C, H, W] and labels [T, K].
struct SupportSets {
  const at::Tensor &images, &labels;
  std::shared_ptr<const FeatureCache> features;  ///< of the images, for a prototype by hand
  Engine engine;
};

/// phi_0 [T, P] of all parameters, as Learner::start makes it of theta and of the support sets, with its
/// adjoint.
class Start {
 public:
  Start(const Learner& learner, SupportSets support) : learner_(learner), support_(std::move(support)) {}

  at::Tensor value(const at::Tensor& theta) const;

  /// (d phi_0 / d theta)^T v [T, S - R] for v [T, P].
  at::Tensor adjoint(const at::Tensor& theta, const at::Tensor& v) const;

  /// A derivative [T, P] by all parameters as one by theta [T, S - R], which goes by the body's alone unless
  /// the head is linear.
  at::Tensor of_body(const at::Tensor& derivative) const;

 private:
  at::Tensor adjoint_by_autograd(const at::Tensor& theta, const at::Tensor& v) const;
  int64_t body() const { return learner_.network.layout().start_of_last(0); }

  const Learner& learner_;
  SupportSets support_;
};

}  // namespace ufo::bilevel
