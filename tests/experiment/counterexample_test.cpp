#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/experiment/counterexample.h>

namespace ufo::experiment {
namespace {

BowlProblem both_tasks(const TwoTasks& tasks) { return BowlProblem({tasks.bowls[0], tasks.bowls[1]}); }

at::Tensor number(double value) { return at::full({1}, value, at::kDouble); }

double exact_mean(const TwoTasks& tasks, double theta) {
  return exact_gradient(both_tasks(tasks), number(theta), tasks.inner, bilevel::Memory::recompute)
      .gradient.mean()
      .item<double>();
}

double first_order_mean(const TwoTasks& tasks, double theta) {
  return first_order_gradient(both_tasks(tasks), number(theta), tasks.inner).gradient.mean().item<double>();
}

TEST(Bowl, DerivativesMatchCentralDifferences) {
  const Bowl bowl{.curvature = 1.5, .centre = -2, .radius = 3};
  const double h = 1e-5;
  for (const double x : {-9.0, -5.5, -4.0, -2.5, 0.0, 1.2, 1.9, 2.3}) {
    EXPECT_NEAR(bowl.slope(x), (bowl.value(x + h) - bowl.value(x - h)) / (2 * h), 1e-8) << x;
    EXPECT_NEAR(bowl.second_derivative(x), (bowl.slope(x + h) - bowl.slope(x - h)) / (2 * h), 1e-8) << x;
  }
}

TEST(Bowl, IsTwiceContinuouslyDifferentiableWhereItsPiecesMeet) {
  const Bowl bowl{.curvature = 0.5, .centre = 1, .radius = 2};
  for (const double seam : {2.0, 3.0}) {
    for (const double side : {-1.0, 1.0}) {
      const double inside = 1 + side * (seam - 1e-9), outside = 1 + side * (seam + 1e-9);
      EXPECT_NEAR(bowl.value(inside), bowl.value(outside), 1e-8);
      EXPECT_NEAR(bowl.slope(inside), bowl.slope(outside), 1e-8);
      EXPECT_NEAR(bowl.second_derivative(inside), bowl.second_derivative(outside), 1e-8);
    }
  }
}

TEST(TwoTasks, FirstOrderComesToRestWhereTheGradientIsTheBound) {
  for (const double bias : {0.01, 0.06, 2.0}) {
    const TwoTasks tasks = make_two_tasks(bias);
    EXPECT_NEAR(first_order_mean(tasks, tasks.first_order_limit), 0, 1e-12);
    EXPECT_NEAR(std::abs(exact_mean(tasks, tasks.first_order_limit)), tasks.gradient_bound, 1e-12);
    EXPECT_NEAR(tasks.gradient_bound * tasks.gradient_bound, 2 * bias, 1e-12);
    EXPECT_NEAR(exact_mean(tasks, tasks.optimum), 0, 1e-12);
  }
}

TEST(TwoTasks, FirstOrderHasNoOtherPlaceToRest) {
  const TwoTasks tasks = make_two_tasks();
  double before = first_order_mean(tasks, -30);
  for (double theta = -29.5; theta <= 50; theta += 0.5) {
    const double now = first_order_mean(tasks, theta);
    EXPECT_GE(now, before) << theta;
    before = now;
  }
}

TEST(TwoTasks, RefuseABiasOfZero) { EXPECT_THROW(make_two_tasks(0), std::invalid_argument); }

TEST(BowlProblem, ExactGradientMatchesCentralDifferencesOfTheMetaObjective) {
  const TwoTasks tasks = make_two_tasks();
  const BowlProblem problem = both_tasks(tasks);
  const auto value = [&](double theta) {
    return problem.outer_value(number(theta), adapt(problem, number(theta), tasks.inner, tasks.inner.steps))
        .loss.mean()
        .item<double>();
  };
  const double h = 1e-5;
  for (const double theta : {-10.0, -3.0, 2.0, 11.0, 14.0, 17.5, 30.0}) {
    EXPECT_NEAR(exact_mean(tasks, theta), (value(theta + h) - value(theta - h)) / (2 * h), 1e-7) << theta;
  }
}

TEST(Counterexample, FirstOrderStaysAtTheBoundAndUfoAndExactDoNot) {
  const auto result = run_counterexample({.runs = 6, .steps = 4000});
  ASSERT_EQ(result.estimators.size(), 3u);
  const auto& [first_order, ufo, exact] =
      std::tie(result.estimators[0], result.estimators[1], result.estimators[2]);
  EXPECT_GT(first_order.final_gradient_norm(), 0.9 * result.tasks.gradient_bound);
  EXPECT_GT(first_order.final_squared_norm(), result.tasks.bias);  // the theorem's D
  EXPECT_LT(ufo.final_squared_norm(), first_order.final_squared_norm() / 10);
  EXPECT_LT(exact.final_gradient_norm(), first_order.final_gradient_norm() / 10);
}

TEST(Counterexample, IsAFunctionOfTheSeed) {
  const auto one = run_counterexample({.seed = 5, .runs = 2, .steps = 50});
  const auto same = run_counterexample({.seed = 5, .runs = 2, .steps = 50});
  const auto other = run_counterexample({.seed = 6, .runs = 2, .steps = 50});
  for (size_t e = 0; e < one.estimators.size(); ++e) {
    EXPECT_EQ(one.estimators[e].runs[1].gradient_norms, same.estimators[e].runs[1].gradient_norms);
    EXPECT_NE(one.estimators[e].runs[1].end, other.estimators[e].runs[1].end);
    EXPECT_EQ(one.estimators[e].runs[1].start, one.estimators[0].runs[1].start);
  }
}

TEST(Counterexample, CountsTheWorkOfEachEstimator) {
  const auto result = run_counterexample({.runs = 4, .steps = 500});
  EXPECT_EQ(result.estimators[0].gradients_per_step, 11);           // r + 1
  EXPECT_EQ(result.estimators[2].gradients_per_step, 11 + 2 * 10);  // and r products
  // 2000 coins of q = 0.1: the mean is 11 + q 20, four standard errors are 0.54.
  EXPECT_NEAR(result.estimators[1].gradients_per_step, 13, 0.54);
}

TEST(Counterexample, RecordsTheFirstAndTheLastStep) {
  const auto result = run_counterexample({.runs = 1, .steps = 37});
  EXPECT_EQ(result.recorded_steps.front(), 0);
  EXPECT_EQ(result.recorded_steps.back(), 37);
  EXPECT_EQ(result.estimators[0].runs[0].gradient_norms.size(), result.recorded_steps.size());
}

TEST(Counterexample, RefusesBadOptions) {
  EXPECT_THROW(run_counterexample({.runs = 0}), ConfigError);
  EXPECT_THROW(run_counterexample({.q = 0}), ConfigError);
}

}  // namespace
}  // namespace ufo::experiment
