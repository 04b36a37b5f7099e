#include "estimators.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/meta_gradient.h>

namespace ufo::bilevel {
namespace {

at::Tensor squared_norms(const at::Tensor& rows) { return at::linalg_vector_norm(rows, 2, {1}).square(); }

/// UFO, the unbiased first-order estimator: G_FO + (xi / q) (G - G_FO), xi ~ Bernoulli(q)
/// (arXiv 2006.03631). Its mean is G whatever q is, also where q follows from what earlier steps saw.
class Ufo final : public Estimator {
 public:
  Ufo(const EstimatorOptions& options, const InnerOptions& inner)
      : q_(options.q),
        q_minimum_(options.q_minimum),
        inner_(inner),
        memory_(parse_memory(options.memory)),
        statistics_(gradient_call_costs(inner, memory_),
                    options.q_cost == "seconds" ? CostUnit::seconds : CostUnit::gradient_calls,
                    options.q_decay) {}

  double exact_probability() const override {
    return q_.adaptive ? statistics_.probability(q_minimum_) : q_.value;
  }

  BranchWork work(bool exact_branch) const override {
    return exact_branch ? exact_work(inner_, memory_) : first_order_work(inner_);
  }

  /// The Hessian products of the exact tasks come behind the first-order pass of all.
  TaskGradients estimate(const Problem& problem, const at::Tensor& theta,
                         const ExactTasks& exact) const override {
    if (exact.count == 0) {
      TaskGradients result = first_order_gradient(problem, theta, inner_);
      result.bias_squared = result.norm_squared = at::empty({0}, theta.options());
      return result;
    }
    auto [first_order, gradient, result] = both_gradients(problem, theta, inner_, memory_, exact.count);
    const int64_t others = problem.tasks() - exact.count;
    const at::Tensor own_first_order = first_order.narrow(0, 0, exact.count);
    const at::Tensor difference = gradient - own_first_order;
    result.bias_squared = squared_norms(difference);
    result.norm_squared = squared_norms(gradient);
    if (exact.weights.defined()) {
      const at::Tensor xi = exact.weights.gt(0);
      result.bias_squared = result.bias_squared * xi;
      result.norm_squared = result.norm_squared * xi;
      gradient = at::addcmul(own_first_order, difference, exact.weights.unsqueeze(-1));
    } else if (exact_probability() < 1) {  // else G itself, to the bit
      gradient = at::add(own_first_order, difference, 1 / exact_probability());
    }
    result.gradient =
        others == 0 ? gradient : at::cat({gradient, first_order.narrow(0, exact.count, others)});
    return result;
  }

  void observe(const MetaGradient& estimate) override {
    const auto mean = [](double sum, int64_t tasks) { return sum / static_cast<double>(tasks); };
    const int64_t others = estimate.tasks - estimate.exact_tasks;
    statistics_.observe({.exact_tasks = estimate.exact_tasks,
                         .first_order_tasks = others,
                         .moments = {estimate.bias_squared, estimate.norm_squared},
                         .exact_seconds = mean(estimate.exact_seconds, estimate.exact_tasks),
                         .first_order_seconds = mean(estimate.first_order_seconds, others)});
  }

  std::optional<Moments> moments() const override { return statistics_.moments(); }
  std::map<std::string, double> state() const override { return statistics_.state(); }
  void restore(const std::map<std::string, double>& state) override { statistics_.restore(state); }

 private:
  CoinProbability q_;
  double q_minimum_;
  InnerOptions inner_;
  Memory memory_;
  BranchStatistics statistics_;
};

}  // namespace

std::unique_ptr<Estimator> make_ufo(const EstimatorOptions& options, const InnerOptions& inner) {
  return std::make_unique<Ufo>(options, inner);
}

}  // namespace ufo::bilevel
