#include "estimators.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

at::Tensor squared_norms(const at::Tensor& rows) { return at::linalg_vector_norm(rows, 2, {1}).square(); }

/// UFO, the unbiased first-order estimator: G_B + (xi / q) (G - G_B), xi ~ Bernoulli(q), for any base G_B;
/// that of the paper (arXiv 2006.03631) is the first-order gradient. Its mean is G whatever q is, also where
/// the coin's q follows from what earlier steps saw.
class Ufo final : public Estimator {
 public:
  Ufo(const EstimatorOptions& options, const InnerOptions& inner, const ProductCosts& products)
      : inner_(inner),
        base_(*base_of(options)),
        back_{.memory = options.memory, .clip = options.clip_adjoint},
        base_work_(base_work(inner, back_.memory, base_, products)),
        exact_work_(exact_work(inner, back_.memory, products.whole)) {
    if (base_.second_order()) {  // whose adjoint passes the same linearizations
      exact_work_.cost += products.base * static_cast<double>(inner.steps);
    }
  }

  BranchWork work(bool exact_branch) const override { return exact_branch ? exact_work_ : base_work_; }

  TaskGradients estimate(const Problem& problem, const at::Tensor& theta,
                         const ExactTasks& exact) const override {
    if (exact.count == 0) {
      TaskGradients result = base_gradient(problem, theta, inner_, back_.memory, base_);
      result.bias_squared = result.norm_squared = at::empty({0}, theta.options());
      return result;
    }
    auto [base, gradient, result] = both_gradients(problem, theta, inner_, back_, base_, exact.count);
    const int64_t others = problem.tasks() - exact.count;
    const at::Tensor own_base = base.narrow(0, 0, exact.count);
    const at::Tensor difference = gradient - own_base;
    result.bias_squared = squared_norms(difference);
    result.norm_squared = squared_norms(gradient);
    if (exact.weights.defined()) {
      const at::Tensor xi = exact.weights.gt(0);
      result.bias_squared = result.bias_squared * xi;
      result.norm_squared = result.norm_squared * xi;
      gradient = at::addcmul(own_base, difference, exact.weights.unsqueeze(-1));
    } else if (exact.probability < 1) {  // else G itself, to the bit
      gradient = at::add(own_base, difference, 1 / exact.probability);
    }
    result.gradient = others == 0 ? gradient : at::cat({gradient, base.narrow(0, exact.count, others)});
    return result;
  }

 private:
  InnerOptions inner_;
  Base base_;
  WayBack back_;
  BranchWork base_work_, exact_work_;
};

}  // namespace

std::unique_ptr<Estimator> make_ufo(const EstimatorOptions& options, const InnerOptions& inner,
                                    const ProductCosts& products) {
  return std::make_unique<Ufo>(options, inner, products);
}

}  // namespace ufo::bilevel
