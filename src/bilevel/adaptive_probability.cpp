#include <algorithm>
#include <cmath>

#include <ufo/base/error.h>
#include <ufo/bilevel/adaptive_probability.h>

namespace ufo::bilevel {
namespace {

double find(const std::map<std::string, double>& state, const std::string& name) {
  const auto found = state.find(name);
  if (found == state.end()) {
    throw DataError("checkpoint: need the estimator's state " + name + ", found none");
  }
  return found->second;
}

}  // namespace

BranchWork first_order_work(const InnerOptions& inner) {
  return {.gradient_calls = inner.steps + 1, .cost = static_cast<double>(inner.steps) + 1};
}

BranchWork exact_work(const InnerOptions& inner, Memory memory, double product) {
  const int64_t r = inner.steps;
  int64_t calls = r + 1;
  if (memory != Memory::store_linearizations) {
    calls += r;  // each phi_j is linearised a second time
  }
  if (memory == Memory::recompute) {
    calls += r * (r - 1) / 2;  // and found again from theta
  }
  return {.gradient_calls = calls,
          .hessian_products = r,
          .cost = static_cast<double>(calls) + product * static_cast<double>(r)};
}

BranchCosts gradient_call_costs(const InnerOptions& inner, Memory memory) {
  return {.first_order = first_order_work(inner).cost, .exact = exact_work(inner, memory).cost};
}

double optimal_probability(const Moments& moments, const BranchCosts& costs, double minimum) {
  const double rest = moments.norm_squared - moments.bias_squared;
  const double extra = costs.exact - costs.first_order;
  if (!(rest > 0) || !(extra > 0)) {
    return 1;
  }
  return std::clamp(std::sqrt(moments.bias_squared * costs.first_order / (rest * extra)), minimum, 1.0);
}

void RunningMean::save(std::map<std::string, double>& state, const std::string& name) const {
  state[name + ".sum"] = sum_;
  state[name + ".weight"] = weight_;
}

void RunningMean::load(const std::map<std::string, double>& state, const std::string& name) {
  sum_ = find(state, name + ".sum");
  weight_ = find(state, name + ".weight");
}

BranchStatistics::BranchStatistics(const BranchCosts& costs, CostUnit unit, double decay)
    : counted_costs_(costs),
      unit_(unit),
      bias_squared_(decay),
      norm_squared_(decay),
      exact_seconds_(decay),
      first_order_seconds_(decay) {}

void BranchStatistics::observe(const BranchObservation& observation) {
  if (observation.exact_tasks > 0) {
    exact_tasks_ += static_cast<double>(observation.exact_tasks);
    bias_squared_.add(observation.moments.bias_squared);
    norm_squared_.add(observation.moments.norm_squared);
  }
  if (unit_ == CostUnit::seconds && observation.exact_tasks > 0) {
    exact_seconds_.add(observation.exact_seconds);
  }
  if (unit_ == CostUnit::seconds && observation.first_order_tasks > 0) {
    first_order_seconds_.add(observation.first_order_seconds);
  }
}

double BranchStatistics::probability(double minimum) const {
  if (exact_tasks_ < kWarmUpTasks) {
    return 1;
  }
  const bool timed = !exact_seconds_.empty() && !first_order_seconds_.empty();
  const BranchCosts costs =
      timed ? BranchCosts{first_order_seconds_.value(), exact_seconds_.value()} : counted_costs_;
  return optimal_probability(moments(), costs, minimum);
}

std::map<std::string, double> BranchStatistics::state() const {
  std::map<std::string, double> state = {{"exact_tasks", exact_tasks_}};
  bias_squared_.save(state, "bias_squared");
  norm_squared_.save(state, "norm_squared");
  exact_seconds_.save(state, "exact_seconds");
  first_order_seconds_.save(state, "first_order_seconds");
  return state;
}

void BranchStatistics::restore(const std::map<std::string, double>& state) {
  exact_tasks_ = find(state, "exact_tasks");
  bias_squared_.load(state, "bias_squared");
  norm_squared_.load(state, "norm_squared");
  exact_seconds_.load(state, "exact_seconds");
  first_order_seconds_.load(state, "first_order_seconds");
}

}  // namespace ufo::bilevel
