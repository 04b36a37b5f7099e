#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include <ufo/base/options.h>
#include <ufo/bilevel/inner_loop.h>

namespace ufo::bilevel {

/// How the exact branch gets back to phi_j on its way down.
enum class Memory { store_linearizations, store_parameters, recompute };

/// What the costs of the branches are counted in.
enum class CostUnit { gradient_calls, seconds };

}  // namespace ufo::bilevel

template <>
struct ufo::Words<ufo::bilevel::Memory> {
  using enum bilevel::Memory;
  static constexpr std::pair<bilevel::Memory, const char*> table[] = {
      {store_linearizations, "store_linearizations"},
      {store_parameters, "store_parameters"},
      {recompute, "recompute"}};
};

template <>
struct ufo::Words<ufo::bilevel::CostUnit> {
  using enum bilevel::CostUnit;
  static constexpr std::pair<bilevel::CostUnit, const char*> table[] = {{gradient_calls, "gradient_calls"},
                                                                        {seconds, "seconds"}};
};

namespace ufo::bilevel {

/// What a Hessian product counts, in gradient calls.
struct ProductCosts {
  double whole = 2;  ///< by its arithmetic; the UFO paper counts 1
  double base = 0;   ///< a product that stops where the base does
};

/// What one task takes on one branch.
struct BranchWork {
  int64_t gradient_calls = 0;    ///< gradients of inner or outer objectives
  int64_t hessian_products = 0;  ///< with whole Hessians
  double cost = 0;               ///< of all, products that stop at a block included, in gradient calls
};

/// r + 1 gradients, and on the exact branch r Hessian products more, each counted as `product`, with the
/// gradients that `memory` computes again.
BranchWork first_order_work(const InnerOptions& inner);
BranchWork exact_work(const InnerOptions& inner, Memory memory, double product = 2);

/// What one task costs on either branch of UFO's coin, both in the same unit.
struct BranchCosts {
  double first_order = 0;  ///< of the branch that gives the base alone, first-order's by default
  double exact = 0;        ///< of the whole branch, the base included
};

/// The costs of UFO on the first-order gradient, in gradient calls, a Hessian product counted as two.
BranchCosts gradient_call_costs(const InnerOptions& inner, Memory memory);

/// D^2 = E ||G - G_FO||^2 and V^2 = E ||G||^2 over tasks.
struct Moments {
  double bias_squared = 0;
  double norm_squared = 0;
};

/// The q in [minimum, 1] that gives the least variance for the work: it minimises
///   (V^2 + (1/q - 1) D^2) (C_FO + q (C_exact - C_FO)),
/// second moment times expected cost of an estimate (arXiv 2006.03631). With c = C_exact - C_FO the
/// derivative is c (V^2 - D^2) - C_FO D^2 / q^2, so that the minimum lies at
///   q = sqrt(D^2 C_FO / ((V^2 - D^2) c)) where V^2 > D^2, and at 1 where not.
double optimal_probability(const Moments& moments, const BranchCosts& costs, double minimum);

/// An exponentially weighted mean, corrected for its start: sum_i decay^(n-i) x_i / sum_i decay^(n-i).
class RunningMean {
 public:
  explicit RunningMean(double decay) : decay_(decay) {}

  void add(double value) {
    sum_ = decay_ * sum_ + (1 - decay_) * value;
    weight_ = decay_ * weight_ + (1 - decay_);
  }

  bool empty() const { return weight_ == 0; }

  /// NaN before the first value.
  double value() const { return sum_ / weight_; }

  void save(std::map<std::string, double>& state, const std::string& name) const;
  void load(const std::map<std::string, double>& state, const std::string& name);

 private:
  double decay_;
  double sum_ = 0, weight_ = 0;
};

/// What the exact branch saw in one outer step: means over its tasks, whose coins know nothing of their
/// gradients, so that both are unbiased whatever q is.
struct BranchObservation {
  int64_t exact_tasks = 0;
  int64_t first_order_tasks = 0;
  Moments moments;                 ///< where exact_tasks > 0
  double exact_seconds = 0;        ///< of one such task, likewise
  double first_order_seconds = 0;  ///< of one such task, where first_order_tasks > 0
};

/// Running means over the outer steps that had an exact task, and the q that follows from them.
class BranchStatistics {
 public:
  /// Exact tasks that must have been seen before q follows from their moments.
  static constexpr int64_t kWarmUpTasks = 10;

  BranchStatistics(const BranchCosts& costs, CostUnit unit, double decay);

  void observe(const BranchObservation& observation);

  /// NaN before the first exact task.
  Moments moments() const { return {bias_squared_.value(), norm_squared_.value()}; }

  /// optimal_probability() of the means; 1 during the warm-up. In seconds once both branches were timed, in
  /// gradient calls until then.
  double probability(double minimum) const;

  std::map<std::string, double> state() const;
  /// Throws DataError where a value is missing.
  void restore(const std::map<std::string, double>& state);

 private:
  BranchCosts counted_costs_;
  CostUnit unit_;
  double exact_tasks_ = 0;
  RunningMean bias_squared_, norm_squared_, exact_seconds_, first_order_seconds_;
};

}  // namespace ufo::bilevel
