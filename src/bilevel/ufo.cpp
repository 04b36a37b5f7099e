#include "estimators.h"

#include <ATen/ATen.h>

namespace ufo::bilevel {
namespace {

at::Tensor squared_norms(const at::Tensor& rows) { return at::linalg_vector_norm(rows, 2, {1}).square(); }

/// UFO, the unbiased first-order estimator: G_FO + (xi / q) (G - G_FO), xi ~ Bernoulli(q)
/// (arXiv 2006.03631). Its mean is G whatever q is.
class Ufo final : public Estimator {
 public:
  Ufo(const InnerOptions& inner, Memory memory, double q) : inner_(inner), memory_(memory), q_(q) {}

  double exact_probability() const override { return q_; }

  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, bool exact_branch) const override {
    if (!exact_branch) {
      return first_order_gradient(problem, theta, inner_);
    }
    TaskGradients result = exact_gradient(problem, theta, inner_, memory_);
    const at::Tensor difference = result.gradient - result.first_order;
    result.bias_squared = squared_norms(difference);
    result.norm_squared = squared_norms(result.gradient);
    result.gradient = at::add(result.first_order, difference, 1 / q_);
    return result;
  }

 private:
  InnerOptions inner_;
  Memory memory_;
  double q_;
};

}  // namespace

std::unique_ptr<Estimator> make_ufo(const EstimatorOptions& options, const InnerOptions& inner) {
  return std::make_unique<Ufo>(inner, parse_memory(options.memory), options.q.value);
}

}  // namespace ufo::bilevel
