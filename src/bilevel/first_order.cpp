#include "assemble.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {

TaskGradients first_order_gradient(const Problem& problem, const at::Tensor& theta,
                                   const InnerOptions& inner) {
  const at::Tensor phi = adapt(problem, theta, inner, inner.steps);
  const OuterGradient outer = problem.outer_gradient(theta, phi);
  return {.gradient = assemble(problem, theta, outer, outer.phi, {}),
          .outer = outer.value,
          .gradient_calls = problem.tasks() * (inner.steps + 1)};
}

}  // namespace ufo::bilevel
