#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// The inner loop: r steps of gradient descent with rate alpha.
struct InnerOptions {
  int64_t steps = 1;
  double learning_rate = 0.4;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("steps", self.steps, at_least(1), "inner gradient steps in training (r)");
    field("learning_rate", self.learning_rate, positive(),
          "inner step size for the mean cross-entropy (alpha)");
  }
};

/// phi - alpha g, a fresh tensor.
at::Tensor descend(const at::Tensor& phi, const at::Tensor& gradient, double learning_rate);

/// phi_steps [T, P], found from theta without keeping anything on the way.
at::Tensor adapt(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, int64_t steps);

/// Calls `visit` with phi_0, phi_1, ..., phi_{inner.steps}, each [T, P], keeping none of them.
void visit_descent(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                   const std::function<void(const at::Tensor& phi)>& visit);

/// The outer objective after 0, 1, ..., inner.steps inner steps: inner.steps + 1 values of T tasks each.
std::vector<OuterValue> adaptation_curve(const Problem& problem, const at::Tensor& theta,
                                         const InnerOptions& inner);

}  // namespace ufo::bilevel
