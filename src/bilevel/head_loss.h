#pragma once

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

// F features an image, N ways, H = N (F + 1) parameters of the head: weights [N, F], then biases [N].

/// The mean cross-entropy of T tasks behind a linear head, as a function of the head phi [T, H] and of the
/// features [T, S, F], with its derivatives by both.
class HeadLoss {
 public:
  /// labels [T, S]
  HeadLoss(const at::Tensor& features, const at::Tensor& phi, const at::Tensor& labels);

  OuterValue value() const;

  at::Tensor by_head() const;      ///< [T, H]
  at::Tensor by_features() const;  ///< [T, S, F]

  /// (d^2 / d phi^2) v for v [T', H] of the first T' tasks.
  at::Tensor head_product(const at::Tensor& v) const;

  /// (d^2 / d features d phi)^T v, likewise: [T', S, F].
  at::Tensor features_product(const at::Tensor& v) const;

 private:
  at::Tensor gradient_of(const at::Tensor& dl) const;
  at::Tensor tangent(const at::Tensor& v) const;

  at::Tensor features_, phi_, labels_, logits_;
  at::Tensor probability_;  ///< [T, S, N]
  at::Tensor dl_;           ///< d loss / d logits [T, S, N]
};

/// The logits [T, S, N] of a head phi [T, H]; differentiable by autograd.
at::Tensor head_logits(const at::Tensor& features, const at::Tensor& phi);

}  // namespace ufo::bilevel
