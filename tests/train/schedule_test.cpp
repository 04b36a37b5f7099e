#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/train/schedule.h>

namespace ufo::train {
namespace {

using run::LearningRateSchedule;

run::OuterOptions options(LearningRateSchedule schedule) {
  run::OuterOptions outer;
  outer.learning_rate = 0.8;
  outer.schedule = schedule;
  outer.learning_rate_final = 0.2;
  outer.steps = 100;
  return outer;
}

TEST(Schedule, ConstantStays) {
  EXPECT_EQ(outer_learning_rate(options(LearningRateSchedule::constant), 99, 0.99), 0.8);
}

TEST(Schedule, LinearAndCosineEndAtTheFinalRate) {
  for (const auto schedule : {LearningRateSchedule::linear, LearningRateSchedule::cosine}) {
    EXPECT_DOUBLE_EQ(outer_learning_rate(options(schedule), 0, 0), 0.8);
    EXPECT_DOUBLE_EQ(outer_learning_rate(options(schedule), 50, 0.5), 0.5);
    EXPECT_DOUBLE_EQ(outer_learning_rate(options(schedule), 99, 1), 0.2);
  }
  EXPECT_DOUBLE_EQ(outer_learning_rate(options(LearningRateSchedule::linear), 25, 0.25), 0.65);
  EXPECT_NEAR(outer_learning_rate(options(LearningRateSchedule::cosine), 25, 0.25),
              0.2 + 0.3 * (1 + std::sqrt(0.5)), 1e-15);
}

TEST(Schedule, StepDecaysNowAndThen) {
  auto outer = options(LearningRateSchedule::step_decay);
  outer.decay_every = 10;
  EXPECT_DOUBLE_EQ(outer_learning_rate(outer, 9, 0), 0.8);
  EXPECT_DOUBLE_EQ(outer_learning_rate(outer, 10, 0), 0.4);
  EXPECT_DOUBLE_EQ(outer_learning_rate(outer, 29, 0), 0.2);
}

TEST(Schedule, WarmUpRisesToTheRate) {
  auto outer = options(LearningRateSchedule::constant);
  outer.warm_up_steps = 4;
  EXPECT_DOUBLE_EQ(outer_learning_rate(outer, 0, 0), 0.2);
  EXPECT_DOUBLE_EQ(outer_learning_rate(outer, 3, 0), 0.8);
  EXPECT_DOUBLE_EQ(outer_learning_rate(outer, 4, 0), 0.8);
}

TEST(OuterWeights, GoFromEqualOnesToTheLastStepAlone) {
  run::OuterOptions outer;
  EXPECT_FALSE(outer_weights(outer, 5, 0).defined());
  outer.multi_step_loss = 100;
  EXPECT_TRUE(outer_weights(outer, 5, 0).allclose(at::full({5}, 0.2)));
  EXPECT_TRUE(outer_weights(outer, 5, 50).allclose(at::tensor({0.1, 0.1, 0.1, 0.1, 0.6}, at::kFloat)));
  EXPECT_TRUE(
      outer_weights(outer, 5, 99).allclose(at::tensor({0.006, 0.006, 0.006, 0.006, 0.976}, at::kFloat)));
  EXPECT_FALSE(outer_weights(outer, 5, 100).defined());
  EXPECT_FALSE(outer_weights(outer, 1, 0).defined()) << "one step is the last";
}

TEST(Budget, DrivesProgressAndEndsTheRun) {
  auto outer = options(LearningRateSchedule::linear);
  EXPECT_DOUBLE_EQ(run_progress(outer, 25, 1e9), 0.25);
  EXPECT_FALSE(run_is_over(outer, 99, 1e9));
  EXPECT_TRUE(run_is_over(outer, 100, 0));
  outer.budget.gradient_calls = 1000;
  EXPECT_DOUBLE_EQ(run_progress(outer, 25, 500), 0.5);
  EXPECT_DOUBLE_EQ(run_progress(outer, 25, 1200), 1);
  EXPECT_FALSE(run_is_over(outer, 25, 999));
  EXPECT_TRUE(run_is_over(outer, 25, 1000));
}

}  // namespace
}  // namespace ufo::train
