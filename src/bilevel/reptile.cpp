#include "estimators.h"

#include <ATen/ATen.h>

namespace ufo::bilevel {
namespace {

/// Reptile (Nichol et al., arXiv 1803.02999): (theta - phi_r) / alpha, the sum of the inner gradients. The
/// outer objective is evaluated for the log alone.
class Reptile final : public Estimator {
 public:
  explicit Reptile(const InnerOptions& inner) : inner_(inner) {}

  BranchWork work(bool) const override {
    return {.gradient_calls = inner_.steps, .cost = static_cast<double>(inner_.steps)};
  }

  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, const ExactTasks&) const override {
    const at::Tensor phi = adapt(problem, theta, inner_, inner_.steps);
    const at::Tensor sum = (problem.initial(theta) - phi) / inner_.learning_rate;
    return {.gradient = problem.initial_adjoint(theta, sum),
            .outer = problem.outer_value(theta, phi),
            .gradient_calls = problem.tasks() * inner_.steps};
  }

 private:
  InnerOptions inner_;
};

}  // namespace

std::unique_ptr<Estimator> make_reptile(const EstimatorOptions&, const InnerOptions& inner,
                                        const ProductCosts&) {
  return std::make_unique<Reptile>(inner);
}

}  // namespace ufo::bilevel
