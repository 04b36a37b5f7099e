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

  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, bool exact_branch) const override {
    if (!exact_branch) {
      return first_order_gradient(problem, theta, inner_);
    }
    TaskGradients result = exact_gradient(problem, theta, inner_, memory_);
    const at::Tensor difference = result.gradient - result.first_order;
    result.bias_squared = squared_norms(difference);
    result.norm_squared = squared_norms(result.gradient);
    result.gradient = at::add(result.first_order, difference, 1 / exact_probability());
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
