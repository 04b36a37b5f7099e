#include "properties.h"
#include "random_problem.h"

#include <gtest/gtest.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

const InnerOptions kInner{.steps = 3, .learning_rate = 0.3};

at::Tensor weights() { return at::tensor({0.2, 0.3, 0.5}, at::kDouble); }

struct WeighedProblem : RandomProblem {
  explicit WeighedProblem(const InnerOptions& inner = {})
      : RandomProblem({.model = {.filters = 4, .blocks = 2}, .inner = inner}) {
    problem->weigh_outer(weights());
  }
};

double objective(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner) {
  const auto curve = adaptation_curve(problem, theta, inner);
  double sum = 0;
  for (int64_t j = 1; j <= inner.steps; ++j) {
    sum += weights()[j - 1].item<double>() * curve[static_cast<size_t>(j)].loss.mean().item<double>();
  }
  return sum;
}

TEST(MultiStepLoss, HasTheExactGradientOfCentralDifferences) {
  InnerOptions learned = kInner;
  learned.rates = {.per = RatesPer::layer_and_step, .learned = true};
  for (const InnerOptions& inner : {kInner, learned}) {
    const WeighedProblem weighed(inner);
    const auto gradient =
        exact_gradient(*weighed.problem, weighed.theta, inner, Memory::store_parameters).gradient.mean(0);
    const at::Tensor direction = gradient / gradient.norm();
    const double expected = gradient.norm().item<double>(), h = 1e-6;
    const double rise = objective(*weighed.problem, weighed.theta + h * direction, inner) -
                        objective(*weighed.problem, weighed.theta - h * direction, inner);
    EXPECT_NEAR(rise / (2 * h) / expected, 1, 1e-6);
  }
}

TEST(MultiStepLoss, HasTheWeighedSumOfQueryGradientsInFirstOrder) {
  const WeighedProblem weighed;
  const auto found = first_order_gradient(*weighed.problem, weighed.theta, kInner);
  at::Tensor sum = at::zeros_like(found.gradient);
  for (int64_t j = 1; j <= kInner.steps; ++j) {
    const at::Tensor phi = adapt(*weighed.problem, weighed.theta, kInner, j);
    sum += weights()[j - 1] * weighed.problem->outer_gradient(weighed.theta, phi).phi;
  }
  EXPECT_LT(relative_error(found.gradient, sum), 1e-12);
  EXPECT_EQ(found.gradient_calls, weighed.problem->tasks() * (3 + 3));
}

TEST(MultiStepLoss, OfTheLastStepAloneIsTheUsualOne) {
  const WeighedProblem weighed;
  const RandomProblem usual({.model = {.filters = 4, .blocks = 2}});
  weighed.problem->weigh_outer(at::tensor({0., 0., 1.}, at::kDouble));
  for (const char* name : {"exact", "first_order", "partial"}) {
    const auto estimator = make_estimator({.estimator = name}, kInner);
    EXPECT_LT(relative_error(estimator->estimate(*weighed.problem, weighed.theta, {}).gradient,
                             estimator->estimate(*usual.problem, usual.theta, {}).gradient),
              1e-13)
        << name;
  }
}

TEST(MultiStepLoss, LeavesUfoUnbiased) {
  const WeighedProblem weighed;
  const auto mean = mean_of_ufo(*weighed.problem, weighed.theta, kInner, Base::first_order());
  const auto exact =
      exact_gradient(*weighed.problem, weighed.theta, kInner, Memory::store_linearizations).gradient;
  EXPECT_LT(relative_error(mean, exact), 1e-12);
}

}  // namespace
}  // namespace ufo::bilevel
