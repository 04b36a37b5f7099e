#include "step_run.h"

#include <gtest/gtest.h>

namespace ufo::train {
namespace {

at::Tensor start(const SmallRun& run) { return run.learner().initial(1).to(at::kDouble); }

void expect_equal(double a, double b, const char* what, int64_t step) {
  EXPECT_EQ(std::isnan(a), std::isnan(b)) << what << ", step " << step;
  if (!std::isnan(a)) {
    EXPECT_NEAR(a, b, 1e-9 * (1 + std::abs(b))) << what << ", step " << step;
  }
}

void expect_the_same(const StepRun& found, const StepRun& expected) {
  EXPECT_LT(largest_difference(found.theta, expected.theta), 1e-9);
  ASSERT_EQ(found.results.size(), expected.results.size());
  for (size_t i = 0; i < found.results.size(); ++i) {
    const StepResult &a = found.results[i], &b = expected.results[i];
    EXPECT_EQ(a.step, b.step);
    expect_equal(a.probability, b.probability, "q", a.step);
    EXPECT_EQ(a.estimate.tasks, b.estimate.tasks);
    EXPECT_EQ(a.estimate.exact_tasks, b.estimate.exact_tasks);
    EXPECT_EQ(a.estimate.gradient_calls, b.estimate.gradient_calls);
    EXPECT_EQ(a.estimate.hessian_products, b.estimate.hessian_products);
    expect_equal(a.estimate.loss, b.estimate.loss, "loss", a.step);
    expect_equal(a.estimate.accuracy, b.estimate.accuracy, "accuracy", a.step);
    expect_equal(a.estimate.bias_squared, b.estimate.bias_squared, "D^2", a.step);
    expect_equal(a.estimate.norm_squared, b.estimate.norm_squared, "V^2", a.step);
    expect_equal(a.gradient_norm, b.gradient_norm, "gradient norm", a.step);
  }
}

class DeviceStepOf : public testing::TestWithParam<std::string> {};

TEST_P(DeviceStepOf, TrainsAsTheHostDoes) {
  for (const char* model : {"mlp", "conv4"}) {
    for (int64_t log_every : {1, 3, 100}) {
      SmallRun run(model);
      run.options.meta_gradient.estimator = GetParam();
      run.options.log_every = log_every;
      run.build();
      SCOPED_TRACE(std::string(model) + ", log_every " + std::to_string(log_every));
      expect_the_same(take_steps(run, StepKind::device, start(run), 4, 12),
                      take_steps(run, StepKind::host, start(run), 4, 12));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EachEstimator, DeviceStepOf,
                         testing::Values("first_order", "exact", "partial", "ufo", "reptile"),
                         [](const auto& info) { return info.param; });

TEST(DeviceStep, AdaptsQAsTheHostDoes) {
  SmallRun run;
  run.options.meta_gradient.q.adaptive = true;
  run.build();
  const auto found = take_steps(run, StepKind::device, start(run), 0, 10);
  expect_the_same(found, take_steps(run, StepKind::host, start(run), 0, 10));
  EXPECT_NE(found.results.back().probability, found.results.front().probability);
}

TEST(DeviceStep, LearnsInnerRatesAndCountsAllQueryLossesAsTheHostDoes) {
  for (const auto per : {bilevel::RatesPer::layer_and_step, bilevel::RatesPer::parameter}) {
    SmallRun run("conv4");
    run.options.inner.rates = {.per = per, .learned = true};
    run.options.inner.adapt = bilevel::Adapt::body;
    run.options.outer.multi_step_loss = 5;
    run.build();
    const auto found = take_steps(run, StepKind::device, start(run), 0, 8);
    expect_the_same(found, take_steps(run, StepKind::host, start(run), 0, 8));
    EXPECT_GT(found.results[4].estimate.gradient_calls, found.results[5].estimate.gradient_calls);
    const auto rates = run.learner(at::kDouble).rates;
    EXPECT_FALSE(rates->of_step(found.theta, 0).equal(rates->of_step(start(run), 0)));
  }
}

TEST(DeviceStep, BeginsHeadsAsTheHostDoes) {
  for (const nn::Head head : {nn::Head::zero, nn::Head::shared, nn::Head::prototype}) {
    for (const auto adapts : {bilevel::Adapt::all, bilevel::Adapt::head}) {
      SmallRun run("conv4");
      run.options.model.head = head;
      run.options.inner.adapt = adapts;
      run.build();
      SCOPED_TRACE(word_of(head) + " " + word_of(adapts));
      expect_the_same(take_steps(run, StepKind::device, start(run), 0, 6),
                      take_steps(run, StepKind::host, start(run), 0, 6));
    }
  }
}

TEST(DeviceStep, TrainsProtoNetAndAClassifierAsTheHostDoes) {
  for (const char* estimator : {"first_order", "classifier"}) {
    SmallRun run("conv4");
    run.options.model.head = nn::Head::prototype;
    run.options.inner.steps = 0;
    run.options.meta_gradient.estimator = estimator;
    run.build();
    const auto found = take_steps(run, StepKind::device, start(run), 0, 40);
    expect_the_same(found, take_steps(run, StepKind::host, start(run), 0, 40));
    EXPECT_LT(found.results.back().estimate.loss, 0.9 * found.results.front().estimate.loss) << estimator;
    EXPECT_EQ(found.results.back().estimate.gradient_calls, run.options.outer.meta_batch);
  }
}

TEST(DeviceStep, TakesBatchNormByStepAsTheHostDoes) {
  SmallRun run("conv4");
  run.options.model.batch_norm = nn::BatchNorm::per_step;
  run.options.inner.rates = {.per = bilevel::RatesPer::layer_and_step, .learned = true};
  run.options.outer.multi_step_loss = 5;
  run.build();
  expect_the_same(take_steps(run, StepKind::device, start(run), 0, 8),
                  take_steps(run, StepKind::host, start(run), 0, 8));
}

TEST(DeviceStep, KeepsReptilesAdamAsTheHostDoes) {
  for (const auto optimizer : {run::Optimizer::adam, run::Optimizer::sgd}) {
    for (const char* model : {"mlp", "conv4"}) {
      SmallRun run(model);
      run.options.meta_gradient.estimator = "reptile";
      run.options.episode.shots = 2;
      run.options.inner = {
          .steps = 3, .learning_rate = 0.01, .optimizer = bilevel::InnerOptimizer::adam, .batch = 4};
      run.options.outer.optimizer = optimizer;
      run.options.outer.momentum = 0.9;
      run.options.outer.clip_value = 0.5;
      run.options.outer.clip_norm = 1;
      run.build();
      const StepRun found = take_steps(run, StepKind::device, start(run), 0, 6);
      expect_the_same(found, take_steps(run, StepKind::host, start(run), 0, 6));
      const at::Tensor state = run.learner().adam->of(found.theta);
      EXPECT_NEAR(state[-1].item<double>(), 1 - std::pow(0.999, 3 * 6), 1e-12) << "clipped or damped";
      EXPECT_TRUE(state.ge(0).all().item<bool>());
      EXPECT_GT(state.slice(0, 0, -1).max().item<double>(), 0);
    }
  }
}

TEST(DeviceStep, ClipsAndAugmentsAsTheHostDoes) {
  for (const auto optimizer : {run::Optimizer::adam, run::Optimizer::sgd}) {
    SmallRun run("conv4");
    run.options.outer.optimizer = optimizer;
    run.options.outer.momentum = 0.9;
    run.options.outer.clip_value = 0.05;
    run.options.outer.clip_norm = 0.1;
    run.options.augmentation = {.horizontal_flip = true, .crop_padding = 1};
    run.build();
    expect_the_same(take_steps(run, StepKind::device, start(run), 0, 6),
                    take_steps(run, StepKind::host, start(run), 0, 6));
  }
}

TEST(DeviceStep, LeavesThetaAloneFromAStepOnThatIsNotFinite) {
  SmallRun run;
  const at::Tensor theta = start(run);
  run.options.inner.learning_rate = 1e200;
  const auto taken = take_steps(run, StepKind::device, theta, 0, 3);
  EXPECT_FALSE(taken.results[0].finite());
  EXPECT_TRUE(taken.theta.equal(theta));
}

TEST(OuterStep, LeavesAdamsStateAloneFromAStepOnThatIsNotFinite) {
  SmallRun run;
  run.options.meta_gradient.estimator = "reptile";
  run.options.inner.optimizer = bilevel::InnerOptimizer::adam;
  run.build();
  const at::Tensor theta = start(run);
  run.options.inner.learning_rate = 1e308;
  for (const auto kind : {StepKind::host, StepKind::device}) {
    const auto taken = take_steps(run, kind, theta, 0, 3);
    EXPECT_FALSE(taken.results[0].finite());
    EXPECT_TRUE(taken.theta.equal(theta));
  }
}

/// One of two ranks, which counts what it is asked to add up.
class CountingRank final : public Communicator {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 2; }
  void all_reduce(at::Tensor&, Reduction) override { ++reductions; }
  at::Tensor all_gather(const at::Tensor& values) override { return values.unsqueeze(0); }
  void broadcast(at::Tensor&) override {}
  void barrier() override {}
  void close() override {}

  int64_t reductions = 0;
};

TEST(DeviceStep, AddsUpTheSumsOfAllProcessesByOneCall) {
  SmallRun run("conv4");
  CountingRank rank;
  take_steps(run, StepKind::device, start(run), 0, 5, nullptr, rank);
  EXPECT_EQ(rank.reductions, 5);
}

TEST(OuterOptimizer, SkipsAStepWhereItIsTold) {
  for (const auto name : {run::Optimizer::adam, run::Optimizer::sgd}) {
    const run::OuterOptions options{.optimizer = name, .momentum = 0.9};
    const at::Tensor theta = at::ones({33}), once = theta.clone();
    const auto skipping = make_outer_optimizer(options, theta), plain = make_outer_optimizer(options, once);
    skipping->step(theta, at::full({33}, 2.0f), at::ones({}));
    EXPECT_TRUE(theta.eq(1).all().item<bool>()) << word_of(name);
    skipping->step(theta, at::full({33}, 0.5f), at::zeros({}));
    plain->step(once, at::full({33}, 0.5f));
    EXPECT_TRUE(theta.equal(once)) << word_of(name);
  }
}

}  // namespace
}  // namespace ufo::train
