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
  std::vector<at::Tensor> gradients;
  const bool learned = problem.learned_rates() > 0;
  const at::Tensor phi = adapt(problem, theta, inner, inner.steps, learned ? &gradients : nullptr);
  const OuterGradient outer = problem.outer_gradient(theta, phi);
  const at::Tensor rates = first_order_rates(problem, gradients, outer.phi);
  return {.gradient = assemble(problem, theta, outer, {.v = outer.phi, .rates = rates}),
          .outer = outer.value,
          .gradient_calls = problem.tasks() * (inner.steps + 1)};
}

std::unique_ptr<Estimator> make_first_order(const EstimatorOptions&, const InnerOptions& inner,
                                            const ProductCosts&) {
  return std::make_unique<FirstOrder>(inner);
}

}  // namespace ufo::bilevel
