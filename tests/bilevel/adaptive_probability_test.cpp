#include "random_problem.h"

#include <cmath>

#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::bilevel {
namespace {

// P inner variables, T tasks.

/// L_inner = phi^T diag(a) phi / 2 and L_outer = ||phi - b_t||^2 / 2 with b_t ~ N(0, I), so that
/// phi_r = p theta with p = (1 - alpha a)^r, G_FO = p theta - b_t and G = p (p theta - b_t).
class Quadratic final : public Problem {
 public:
  Quadratic(at::Tensor a, at::Tensor b) : a_(std::move(a)), b_(std::move(b)) {}

  int64_t tasks() const override { return b_.size(0); }
  std::unique_ptr<Problem> select(std::span<const int64_t> tasks) const override {
    std::vector<at::Tensor> rows;
    for (const int64_t task : tasks) {
      rows.push_back(b_[task]);
    }
    return std::make_unique<Quadratic>(a_, at::stack(rows));
  }
  std::unique_ptr<Linearization> linearize(const at::Tensor&, const at::Tensor& phi,
                                           Products) const override {
    class Here final : public Linearization {
     public:
      Here(at::Tensor a, const at::Tensor& phi) : a_(std::move(a)), gradient_(a_ * phi) {}
      const at::Tensor& gradient() const override { return gradient_; }
      at::Tensor hessian_product(const at::Tensor& v) override { return a_ * v; }

     private:
      at::Tensor a_, gradient_;
    };
    return std::make_unique<Here>(a_, phi);
  }
  OuterValue outer_value(const at::Tensor&, const at::Tensor& phi) const override {
    return {.loss = (phi - b_).square().sum(1) / 2, .accuracy = {}};
  }
  OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override {
    return {.value = outer_value(theta, phi), .phi = phi - b_, .theta = {}};
  }

 private:
  at::Tensor a_, b_;
};

constexpr int64_t kSize = 20, kTasks = 8;
const InnerOptions kInner{.steps = 3, .learning_rate = 0.1};

struct KnownFamily {
  at::Tensor a = at::linspace(0.2, 0.8, kSize, at::kDouble);
  at::Tensor theta = at::linspace(0.5, 1.5, kSize, at::kDouble);
  at::Tensor p = (1 - kInner.learning_rate * a).pow(kInner.steps);

  Quadratic problem(uint64_t step) const { return {a, random_normal({kTasks, kSize}, 100 + step)}; }

  Moments moments() const {
    const at::Tensor residual = (p * theta).square() + 1;
    return {.bias_squared = ((1 - p).square() * residual).sum().item<double>(),
            .norm_squared = (p.square() * residual).sum().item<double>()};
  }
};

double variance_times_work(const Moments& m, const BranchCosts& costs, double q) {
  return (m.norm_squared + (1 / q - 1) * m.bias_squared) *
         (costs.first_order + q * (costs.exact - costs.first_order));
}

/// The best of a fine grid.
double best_by_trial(const Moments& m, const BranchCosts& costs, double minimum) {
  double best = 1;
  for (double q = minimum; q <= 1; q += 1e-4) {
    best = variance_times_work(m, costs, q) < variance_times_work(m, costs, best) ? q : best;
  }
  return best;
}

TEST(OptimalProbability, MinimisesVarianceTimesWork) {
  const BranchCosts costs{.first_order = 16, .exact = 46};
  for (const double d2 : {0.0, 0.01, 0.1, 0.5, 0.9, 1.0, 3.0}) {
    const Moments moments{.bias_squared = d2, .norm_squared = 1};
    EXPECT_NEAR(optimal_probability(moments, costs, 0.05), best_by_trial(moments, costs, 0.05), 2e-4) << d2;
  }
  EXPECT_EQ(optimal_probability({0.1, 1}, {.first_order = 2, .exact = 2}, 0.05), 1)
      << "exact costs nothing more";
}

TEST(OptimalProbability, CostsAreWhatTheBranchesCount) {
  const KnownFamily family;
  const auto problem = family.problem(0);
  for (const Memory memory : {Memory::store_linearizations, Memory::store_parameters, Memory::recompute}) {
    for (const int64_t steps : {1, 2, 7}) {
      const InnerOptions inner{.steps = steps, .learning_rate = 0.1};
      const auto costs = gradient_call_costs(inner, memory);
      const auto first_order = first_order_gradient(problem, family.theta, inner);
      const auto exact = exact_gradient(problem, family.theta, inner, memory);
      EXPECT_EQ(costs.first_order * kTasks, first_order.gradient_calls);
      EXPECT_EQ(costs.exact * kTasks, exact.gradient_calls + 2 * exact.hessian_products);
    }
  }
}

TEST(RunningMean, WeighsItsFirstValuesFully) {
  RunningMean mean(0.9);
  EXPECT_TRUE(std::isnan(mean.value()));
  mean.add(3);
  EXPECT_DOUBLE_EQ(mean.value(), 3);
  mean.add(5);
  EXPECT_DOUBLE_EQ(mean.value(), (0.9 * 3 + 5) / 1.9);
}

TEST(Ufo, HasTheSecondMomentOfTheTheory) {
  const KnownFamily family;
  const Moments moments = family.moments();
  for (const double q : {0.05, 0.3, 1.0}) {
    const auto ufo = make_estimator({.estimator = "ufo", .q = {q}}, kInner);
    double sum = 0;
    constexpr int64_t kSteps = 4000;
    for (uint64_t step = 0; step < kSteps; ++step) {
      const auto estimate = estimate_meta_gradient(family.problem(step), family.theta, *ufo,
                                                   toss_coins(1, step, kTasks, q), KeepTasks::yes);
      sum += estimate.task_gradients.square().sum().item<double>();
    }
    const double expected = moments.norm_squared + (1 / q - 1) * moments.bias_squared;
    EXPECT_NEAR(sum / (kSteps * kTasks) / expected, 1, 0.02) << "q = " << q;
  }
}

/// Steps of an adaptive q at one theta, where D and V are known.
struct AdaptiveRun {
  KnownFamily family;
  std::unique_ptr<Estimator> ufo;
  Coin coin;
  at::Tensor error = at::zeros(kSize, at::kDouble);              ///< sum of (estimate - exact)
  at::Tensor first_order_error = at::zeros(kSize, at::kDouble);  ///< sum of (first-order - exact)
  double error_squares = 0;
  int64_t steps = 0;

  explicit AdaptiveRun(const EstimatorOptions& options)
      : ufo(make_estimator(options, kInner)), coin(make_coin(options, *ufo)) {}

  void run(int64_t count) {
    for (; count > 0; --count, ++steps) {
      const auto problem = family.problem(static_cast<uint64_t>(steps));
      const Coins coins = coin.toss(2, static_cast<uint64_t>(steps), kTasks);
      const auto estimate = estimate_meta_gradient(problem, family.theta, *ufo, coins);
      const auto exact = exact_gradient(problem, family.theta, kInner, Memory::store_linearizations);
      const at::Tensor difference = estimate.gradient - exact.gradient.mean(0);
      error += difference;
      error_squares += difference.square().sum().item<double>();
      first_order_error +=
          (first_order_gradient(problem, family.theta, kInner).gradient - exact.gradient).mean(0);
      coin.observe(estimate);
    }
  }

  double standard_error() const { return std::sqrt(error_squares); }  // of `error`, a sum
};

EstimatorOptions adaptive() { return {.estimator = "ufo", .q = {.adaptive = true}}; }

TEST(AdaptiveQ, IsOneUntilTenExactTasksWereSeen) {
  AdaptiveRun run(adaptive());
  EXPECT_EQ(run.coin.probability(), 1);
  run.run(1);  // 8 tasks
  EXPECT_EQ(run.coin.probability(), 1);
  run.run(1);
  EXPECT_LT(run.coin.probability(), 0.5);
}

TEST(AdaptiveQ, FindsTheOptimumWithinFivePercent) {
  for (const auto memory : {Memory::store_linearizations, Memory::recompute}) {
    EstimatorOptions options = adaptive();
    options.memory = memory;
    AdaptiveRun run(options);
    run.run(2000);
    const auto costs = gradient_call_costs(kInner, memory);
    const double best = best_by_trial(run.family.moments(), costs, 0.001);
    ASSERT_GT(best, options.q_minimum) << "the bound would hide the answer";
    EXPECT_NEAR(run.coin.probability() / best, 1, 0.05) << word_of(memory) << ", best " << best;
  }
}

TEST(AdaptiveQ, KeepsTheEstimateUnbiased) {
  AdaptiveRun run(adaptive());
  run.run(6000);
  EXPECT_LT(run.error.norm().item<double>(), 2 * run.standard_error());
  EXPECT_GT(run.first_order_error.norm().item<double>(), 4 * run.standard_error());
}

TEST(AdaptiveQ, DoesNotFallBelowItsMinimum) {
  EstimatorOptions options = adaptive();
  options.q_minimum = 0.5;
  AdaptiveRun run(options);
  run.run(5);
  EXPECT_EQ(run.coin.probability(), 0.5);
}

TEST(AdaptiveQ, IsKeptForTenStepsOfARunThroughItsState) {
  AdaptiveRun run(adaptive()), other(adaptive());
  run.coin.begin(0);
  run.run(3);
  run.coin.begin(9);
  EXPECT_EQ(run.coin.probability(), 1);
  EXPECT_LT(run.coin.best_probability(), 0.5);
  other.coin.restore(run.coin.state());
  EXPECT_EQ(other.coin.probability(), 1);
  for (bilevel::Coin* coin : {&run.coin, &other.coin}) {
    coin->begin(10);
    EXPECT_EQ(coin->probability(), coin->best_probability());
  }
  other.coin.restore(run.coin.state());
  other.run(3);
  EXPECT_EQ(other.coin.probability(), run.coin.probability());
  EXPECT_NE(other.coin.probability(), other.coin.best_probability());
}

TEST(AdaptiveQ, FollowsMeasuredSecondsWhereAsked) {
  BranchStatistics statistics({.first_order = 4, .exact = 10}, CostUnit::seconds, 0.99);
  statistics.observe({.exact_tasks = 20, .moments = {0.1, 1}, .exact_seconds = 3});
  EXPECT_EQ(statistics.probability(0.01), optimal_probability({0.1, 1}, {4, 10}, 0.01))
      << "one branch untimed";
  statistics.observe({.first_order_tasks = 20, .first_order_seconds = 2});
  EXPECT_EQ(statistics.probability(0.01), optimal_probability({0.1, 1}, {2, 3}, 0.01));
}

TEST(AdaptiveQ, GoesOnFromItsState) {
  AdaptiveRun whole(adaptive()), before(adaptive()), after(adaptive());
  whole.run(30);
  before.run(12);
  after.coin.restore(before.coin.state());
  after.steps = 12;
  after.run(18);
  EXPECT_EQ(after.coin.state(), whole.coin.state());
  EXPECT_EQ(after.coin.probability(), whole.coin.probability());
  EXPECT_THROW(after.coin.restore({{"exact_tasks", 3}}), DataError);
}

}  // namespace
}  // namespace ufo::bilevel
