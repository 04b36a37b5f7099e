#include "estimators.h"

namespace ufo::bilevel {
namespace {

/// UFO, the unbiased first-order estimator: G_FO + (xi / q) (G - G_FO), xi ~ Bernoulli(q)
/// (arXiv 2006.03631, section 4). Its mean is G whatever q is.
class Ufo final : public Estimator {
 public:
  Ufo(const InnerOptions& inner, Memory memory, double q) : inner_(inner), memory_(memory), q_(q) {}

  double exact_probability() const override { return q_; }

  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, bool exact_branch) const override {
    return exact_branch ? exact_gradient(problem, theta, inner_, memory_, 1 - 1 / q_)
                        : first_order_gradient(problem, theta, inner_);
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
