#include "made_up_examples.h"

#include <cmath>

#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::experiment {
namespace {

const bilevel::InnerOptions kInner{.steps = 5, .learning_rate = 2};

/// A problem of 12 examples and a point that is no symmetric one.
struct Small {
  CleaningData data = made_up_data(4, 0.5);
  CleaningProblem problem{data.train, data.validation, data.classes};
  at::Tensor theta = at::linspace(-1, 1, 12, at::kDouble);
};

TEST(CleaningProblem, ExactGradientMatchesCentralDifferences) {
  const Small small;
  const auto gradient = exact_gradient(small.problem, small.theta, kInner, bilevel::Memory::store_parameters)
                            .gradient.squeeze(0);
  const auto loss = [&](const at::Tensor& theta) {
    return small.problem.outer_value(theta, adapt(small.problem, theta, kInner, kInner.steps))
        .loss.item<double>();
  };
  const double h = 1e-5, size = gradient.abs().max().item<double>();
  EXPECT_GT(size, 1e-4);
  for (int64_t i = 0; i < small.theta.size(0); ++i) {
    at::Tensor step = at::zeros_like(small.theta);
    step[i] = h;
    const double difference = (loss(small.theta + step) - loss(small.theta - step)) / (2 * h);
    EXPECT_NEAR(gradient[i].item<double>(), difference, 1e-6 * size) << "example " << i;
  }
}

TEST(CleaningProblem, FirstOrderGradientIsZero) {
  const Small small;
  const auto gradient = first_order_gradient(small.problem, small.theta, kInner).gradient;
  EXPECT_EQ(gradient.sizes(), (std::vector<int64_t>{1, 12}));
  EXPECT_TRUE(at::equal(gradient, at::zeros_like(gradient)));
}

TEST(CleaningProblem, UfoIsZeroOrTheExactGradientOverQ) {
  const Small small;
  const auto exact =
      exact_gradient(small.problem, small.theta, kInner, bilevel::Memory::store_linearizations).gradient[0];
  const auto ufo = bilevel::make_estimator({.estimator = "ufo", .q = {0.25}}, kInner);
  const auto tails = estimate_meta_gradient(small.problem, small.theta, *ufo,
                                            bilevel::Coins{.probability = 0.25, .exact = {false}})
                         .gradient;
  const auto heads = estimate_meta_gradient(small.problem, small.theta, *ufo,
                                            bilevel::Coins{.probability = 0.25, .exact = {true}})
                         .gradient;
  EXPECT_TRUE(at::equal(tails, at::zeros_like(exact)));
  EXPECT_TRUE(at::allclose(heads, exact * 4, 1e-12, 0));
}

TEST(CorruptLabels, ChangesTheShareAskedForAndMarksIt) {
  CleaningData data{.classes = 3, .train = clouds(3, 20, 1)};
  const at::Tensor right = data.train.labels;
  corrupt_labels(data, 0.3, 7);
  EXPECT_EQ(data.corrupted.sum().item<int64_t>(), 18);
  EXPECT_TRUE(at::equal(data.train.labels.ne(right), data.corrupted));
  EXPECT_GE(data.train.labels.min().item<int64_t>(), 0);
  EXPECT_LT(data.train.labels.max().item<int64_t>(), 3);
}

TEST(Standardize, CentresTheTrainingSetAndMovesTheOthersAlong) {
  CleaningData data = made_up_data(10, 0.5);
  const at::Tensor before = data.test.features[0] - data.train.features[0];
  standardize(data);
  const at::Tensor after = data.test.features[0] - data.train.features[0];
  EXPECT_LT(data.train.features.mean(0).abs().max().item<double>(), 1e-14);
  EXPECT_NEAR(data.train.features.square().sum(1).mean().item<double>(), 1, 1e-14);
  EXPECT_NEAR(at::cosine_similarity(before, after, 0).item<double>(), 1, 1e-14);
}

TEST(AreaUnderCurve, IsTheShareOfPairsInOrder) {
  const auto flagged = at::tensor({1, 1, 0, 0}).to(at::kBool);
  EXPECT_EQ(area_under_curve(at::tensor({4.0, 3.0, 2.0, 1.0}), flagged), 1);
  EXPECT_EQ(area_under_curve(at::tensor({1.0, 2.0, 3.0, 4.0}), flagged), 0);
  EXPECT_EQ(area_under_curve(at::tensor({4.0, 2.0, 3.0, 1.0}), flagged), 0.75);
  EXPECT_EQ(area_under_curve(at::tensor({1.0, 1.0, 1.0, 1.0}), flagged), 0.5);
  EXPECT_TRUE(std::isnan(area_under_curve(at::tensor({1.0, 2.0}), at::tensor({0, 0}).to(at::kBool))));
}

TEST(Hypercleaning, ExactAndUfoFindTheWrongLabelsAndFirstOrderDoesNot) {
  const auto data = made_up_data(40, 0.5);
  const auto result =
      run_hypercleaning(data, {.steps = 40, .outer_rate = 100, .inner = {.steps = 10, .learning_rate = 3}});
  ASSERT_EQ(result.runs.size(), 4u);
  for (const auto& run : result.runs) {
    const auto& last = run.records.back();
    EXPECT_EQ(last.step, 40);
    if (run.estimator == "first_order") {
      EXPECT_EQ(last.auc, 0.5);
      EXPECT_TRUE(at::equal(run.weights, at::full_like(run.weights, 0.5)));
      EXPECT_EQ(last.test_accuracy, result.uncleaned_accuracy);
    } else {
      EXPECT_GT(last.auc, 0.9) << run.estimator << " " << run.q;
      EXPECT_LT(last.validation_loss, run.records.front().validation_loss);
    }
  }
  EXPECT_GT(result.oracle_accuracy, 0.9);
}

TEST(Hypercleaning, IsAFunctionOfTheSeed) {
  const auto data = made_up_data(5, 0.4);
  const CleaningOptions options{.steps = 6, .inner = {.steps = 2, .learning_rate = 1}};
  const auto one = run_hypercleaning(data, options), same = run_hypercleaning(data, options);
  for (size_t i = 0; i < one.runs.size(); ++i) {
    EXPECT_TRUE(at::equal(one.runs[i].weights, same.runs[i].weights));
  }
}

TEST(Hypercleaning, RefusesBadOptions) {
  const auto data = made_up_data(2, 0.5);
  EXPECT_THROW(run_hypercleaning(data, {.steps = 0}), ConfigError);
  EXPECT_THROW(run_hypercleaning(data, {.inner = {.steps = 0}}), ConfigError);
}

}  // namespace
}  // namespace ufo::experiment
