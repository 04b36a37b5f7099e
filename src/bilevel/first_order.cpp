#include "assemble.h"
#include "estimators.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

class FirstOrder final : public Estimator {
 public:
  explicit FirstOrder(const InnerOptions& inner) : inner_(inner) {}

  BranchWork work(bool) const override { return first_order_work(inner_); }
  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, const ExactTasks&) const override {
    return first_order_gradient(problem, theta, inner_);
  }

 private:
  InnerOptions inner_;
};

}  // namespace

TaskGradients first_order_gradient(const Problem& problem, const at::Tensor& theta,
                                   const InnerOptions& inner) {
  OuterPath outer(problem, theta, inner.steps);
  std::vector<at::Tensor> gradients;
  at::Tensor phi = problem.initial(theta);
  outer.pass(0, phi);
  for (int64_t j = 0; j < inner.steps; ++j) {
    phi = inner_step(problem, theta, phi, inner, j, problem.learned_rates() > 0 ? &gradients : nullptr);
    outer.pass(j + 1, phi);
  }
  return {.gradient = assemble_first_order(problem, theta, outer, gradients, inner.steps),
          .outer = outer.value(),
          .gradient_calls = problem.tasks() * inner.steps + outer.gradient_calls()};
}

std::unique_ptr<Estimator> make_first_order(const EstimatorOptions&, const InnerOptions& inner,
                                            const ProductCosts&) {
  return std::make_unique<FirstOrder>(inner);
}

}  // namespace ufo::bilevel
