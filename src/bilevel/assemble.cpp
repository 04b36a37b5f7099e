#include "assemble.h"

#include <ATen/ATen.h>

namespace ufo::bilevel {

at::Tensor assemble(const Problem& problem, const at::Tensor& theta, const OuterGradient& outer,
                    const Parts& parts) {
  at::Tensor sum = problem.initial_adjoint(theta, parts.v);
  for (const auto& term : {outer.theta, parts.mixed}) {
    if (term.defined()) {
      sum = sum.defined() ? sum + term : term;
    }
  }
  if (!sum.defined()) {
    sum = at::zeros({problem.tasks(), theta.size(0) - problem.learned_rates()}, theta.options());
  }
  return parts.rates.defined() ? at::cat({sum, parts.rates}, 1) : sum;
}

void add_rates(const Problem& problem, const at::Tensor& gradient, const at::Tensor& v, int64_t j,
               at::Tensor& sum) {
  if (problem.learned_rates() > 0) {
    const at::Tensor step = problem.rates_adjoint(gradient * v, j).neg();
    sum = sum.defined() ? sum + step : step;
  }
}

at::Tensor first_order_rates(const Problem& problem, const std::vector<at::Tensor>& gradients,
                             const at::Tensor& v) {
  at::Tensor sum;
  for (size_t j = 0; j < gradients.size(); ++j) {
    add_rates(problem, gradients[j], v, static_cast<int64_t>(j), sum);
  }
  return sum;
}

}  // namespace ufo::bilevel
