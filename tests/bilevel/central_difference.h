#pragma once

#include <limits>

#include <ATen/ATen.h>

#include <ufo/bilevel/inner_loop.h>

namespace ufo::bilevel {

/// The outer objective, the mean over the tasks: that after all inner steps, or the sum after each of them by
/// Problem::outer_weights.
inline double objective(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner) {
  const at::Tensor weights = problem.outer_weights();
  if (!weights.defined()) {
    return problem.outer_value(theta, adapt(problem, theta, inner, inner.steps)).loss.mean().item<double>();
  }
  const auto curve = adaptation_curve(problem, theta, inner);
  double sum = 0;
  for (int64_t j = 1; j <= inner.steps; ++j) {
    sum += weights[j - 1].item<double>() * curve[static_cast<size_t>(j)].loss.mean().item<double>();
  }
  return sum;
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
