#include "estimators.h"

#include <ATen/ATen.h>

namespace ufo::bilevel {
namespace {

/// Reptile (Nichol et al., arXiv 1803.02999): (theta - phi_r) / alpha, which by gradient descent is the sum
/// of the inner gradients; behind it, where the inner loop is Adam, what its state has become. The outer
/// objective is evaluated for the log alone.
class Reptile final : public Estimator {
 public:
  explicit Reptile(const InnerOptions& inner) : inner_(inner) {}

  BranchWork work(bool) const override {
    return {.gradient_calls = inner_.steps, .cost = static_cast<double>(inner_.steps)};
  }

  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, const ExactTasks&) const override {
    InnerLoop loop(problem, theta, inner_);
    for (int64_t j = 0; j < inner_.steps; ++j) {
      loop.step();
    }
    const at::Tensor sum = (problem.initial(theta) - loop.phi()) / inner_.learning_rate;
    const at::Tensor gradient = problem.initial_adjoint(theta, sum), state = loop.adam_state();
    return {.gradient = state.defined() ? at::cat({gradient, state}, 1) : gradient,
            .outer = problem.outer_value(theta, loop.phi()),
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
