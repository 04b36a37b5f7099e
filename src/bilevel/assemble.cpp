#include "assemble.h"

#include <ATen/ATen.h>

#include <ufo/base/plus.h>

namespace ufo::bilevel {

void OuterPath::pass(int64_t j, const at::Tensor& phi) {
  const bool last = j + 1 == static_cast<int64_t>(phi_.size());
  if (!last && (j == 0 || !weights_.defined())) {
    return;
  }
  OuterGradient outer = problem_.outer_gradient(theta_, phi);
  if (weights_.defined()) {
    const at::Tensor weight = weights_.select(0, j - 1);
    outer.phi = outer.phi * weight;
    outer.theta = outer.theta.defined() ? outer.theta * weight : outer.theta;
  }
  phi_[static_cast<size_t>(j)] = outer.phi;
  partial_ = plus(partial_, outer.theta);
  value_ = outer.value;
  ++calls_;
}

at::Tensor assemble(const Problem& problem, const at::Tensor& theta, const Parts& parts) {
  at::Tensor sum = plus(plus(problem.initial_adjoint(theta, parts.v), parts.partial), parts.mixed);
  if (!sum.defined()) {
    const int64_t of_steps = problem.step_values() + problem.learned_rates();
    sum = at::zeros({problem.tasks(), theta.size(0) - of_steps}, theta.options());
  }
  std::vector<at::Tensor> all = {sum};
  for (const at::Tensor* part : {&parts.steps, &parts.rates}) {
    if (part->defined()) {
      all.push_back(*part);
    }
  }
  return all.size() == 1 ? sum : at::cat(all, 1);
}

void add_rates(const Problem& problem, const at::Tensor& gradient, const at::Tensor& v, int64_t j,
               at::Tensor& sum) {
  if (problem.learned_rates() > 0) {
    sum = plus(sum, problem.rates_adjoint(gradient * v, j).neg());
  }
}

void leave_entry(const Problem& problem, int64_t j, at::Tensor& v, at::Tensor& sum) {
  if (problem.step_values() > 0) {
    sum = plus(sum, problem.entry_adjoint(v, j));
  }
}

at::Tensor assemble_first_order(const Problem& problem, const at::Tensor& theta, const OuterPath& outer,
                                const std::vector<at::Tensor>& gradients, int64_t steps) {
  at::Tensor v, own, rates;
  for (int64_t j = steps; j >= 0; --j) {
    v = plus(v, outer.gradient(j));
    if (j > 0 && !gradients.empty()) {
      add_rates(problem, gradients[static_cast<size_t>(j - 1)], v, j - 1, rates);
    }
    if (j > 0) {
      leave_entry(problem, j - 1, v, own);
    }
  }
  return assemble(problem, theta, {.v = v, .partial = outer.partial(), .steps = own, .rates = rates});
}

}  // namespace ufo::bilevel
