#pragma once

#include <limits>

#include <ATen/ATen.h>

#include <ufo/bilevel/inner_loop.h>

namespace ufo::bilevel {

/// The outer objective after all inner steps, the mean over the tasks.
inline double objective(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner) {
  return problem.outer_value(theta, adapt(problem, theta, inner, inner.steps)).loss.mean().item<double>();
}

/// The derivative of the outer objective along `direction` [S], by the better of two central differences: a
/// rectifier may flip.
inline double central_difference(const Problem& problem, const at::Tensor& theta, const at::Tensor& direction,
                                 const InnerOptions& inner, double expected) {
  double best = std::numeric_limits<double>::infinity();
  for (const double h : {1e-5, 1e-6}) {
    const double rise =
        objective(problem, theta + h * direction, inner) - objective(problem, theta - h * direction, inner);
    if (std::abs(rise / (2 * h) - expected) < std::abs(best - expected)) {
      best = rise / (2 * h);
    }
  }
  return best;
}

}  // namespace ufo::bilevel
