#include "random_problem.h"

#include <cmath>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

InnerOptions adam(int64_t steps) {
  return {.steps = steps, .learning_rate = 0.01, .optimizer = InnerOptimizer::adam};
}

/// A problem whose theta begins with the state that Adam has before its first step.
RandomProblem fresh(RandomProblemOptions options, const InnerOptions& inner) {
  options.inner = inner;
  RandomProblem random(options);
  random.theta.slice(0, random.network->layout().size()).zero_();
  return random;
}

/// The support images of RandomProblem, drawn again.
at::Tensor support_images(const RandomProblemOptions& o) {
  return random_normal({o.tasks, o.ways * o.shots, o.height, o.width, o.channels}, 3)
      .permute({0, 1, 4, 2, 3});
}

at::Tensor support_labels(const RandomProblemOptions& o) {
  return at::arange(o.ways).repeat_interleave(o.shots).expand({o.tasks, o.ways * o.shots});
}

std::string complaint(const EstimatorOptions& options, const InnerOptions& inner) {
  try {
    make_estimator(options, inner);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(InnerAdam, IsTorchsWithBeta1ZeroWhoseStateGoesOnFromTaskToTask) {
  const RandomProblemOptions options{.tasks = 3};
  const InnerOptions inner = adam(4);
  const RandomProblem random = fresh(options, inner);
  const InnerAdam layout(random.network->layout());
  const at::Tensor weights = random.theta.slice(0, 0, random.network->layout().size());
  const at::Tensor images = support_images(options), labels = support_labels(options);

  c10::AutoGradMode enable(true);
  at::Tensor phi = weights.detach().clone().requires_grad_();
  torch::optim::Adam torchs({phi},
                            torch::optim::AdamOptions(inner.learning_rate).betas({0, 0.999}).eps(1e-8));
  for (int64_t task = 0; task < options.tasks; ++task) {
    {
      c10::NoGradGuard no_grad;
      phi.copy_(weights);
    }
    for (int64_t j = 0; j < inner.steps; ++j) {
      torchs.zero_grad();
      const at::Tensor logits = random.network->logits(phi.unsqueeze(0), images.narrow(0, task, 1));
      cross_entropy(logits, labels.narrow(0, task, 1)).sum().backward();
      torchs.step();
    }
    c10::NoGradGuard no_grad;
    const auto one = random.problem->select({&task, 1});
    InnerLoop loop(*one, random.theta, inner);
    for (int64_t j = 0; j < inner.steps; ++j) {
      loop.step();
    }
    EXPECT_LT((loop.phi()[0] - phi).abs().max().item<double>(), 1e-9) << "task " << task;
    EXPECT_TRUE(at::equal(loop.phi(), adapt(*one, random.theta, inner, inner.steps)));
    layout.put_into(random.theta, loop.adam_state()[0]);
  }
}

TEST(InnerAdam, IsTheSameForAllTasksTogetherAndInEveryEngine) {
  for (const char* model : {"mlp", "conv4"}) {
    RandomProblemOptions options{.model = {.name = model, .filters = 6, .hidden = {7}}};
    const RandomProblem by_hand = fresh(options, adam(3));
    options.engine = Engine::autograd;
    const RandomProblem by_autograd = fresh(options, adam(3));
    const auto estimate = [&](const RandomProblem& random) {
      return make_estimator({.estimator = "reptile"}, adam(3))
          ->estimate(*random.problem, random.theta, {})
          .gradient;
    };
    const at::Tensor all = estimate(by_hand);
    EXPECT_LT((all - estimate(by_autograd)).abs().max().item<double>(), 1e-6) << model;
    const int64_t task = 1;
    const auto one = by_hand.problem->select({&task, 1});
    const auto alone = make_estimator({.estimator = "reptile"}, adam(3))->estimate(*one, by_hand.theta, {});
    EXPECT_LT((all[task] - alone.gradient[0]).abs().max().item<double>(), 1e-6) << model;
  }
}

TEST(InnerAdam, ReptileGivesItsEndBesideTheWayOfTheParameters) {
  const RandomProblem random = fresh({}, adam(3));
  const auto found = make_estimator({.estimator = "reptile"}, adam(3))
                         ->estimate(*random.problem, random.theta, {.count = 0});
  const int64_t parameters = random.network->layout().size();
  ASSERT_EQ(found.gradient.sizes(), (std::vector<int64_t>{3, 2 * parameters + 1}));
  const at::Tensor phi = adapt(*random.problem, random.theta, adam(3), 3);
  const at::Tensor way = (random.theta.slice(0, 0, parameters) - phi) / 0.01;
  EXPECT_TRUE(found.gradient.slice(1, 0, parameters).equal(way));
  EXPECT_LE(way.abs().max().item<double>(), 3 * std::sqrt(1 / 0.001)) << "steps of a bounded length";
  EXPECT_TRUE(found.gradient.slice(1, parameters).ge(0).all().item<bool>());
  EXPECT_NEAR(found.gradient[0][-1].item<double>(), 1 - std::pow(0.999, 3), 1e-15);
  EXPECT_EQ(found.gradient_calls, 3 * 3);
}

TEST(InnerAdam, IsRefusedWhereADerivativeIsTakenOrTheStateHasNoPlace) {
  for (const char* name : {"first_order", "exact", "ufo", "partial"}) {
    EXPECT_EQ(complaint({.estimator = name}, adam(3)),
              std::string("inner.optimizer: need gradient_descent, got adam: ") + name +
                  " takes the derivatives of gradient descent; reptile takes none");
  }
  EXPECT_EQ(complaint({.estimator = "reptile"}, adam(3)), "");
  const RandomProblem random({});
  EXPECT_THROW(InnerLoop(*random.problem, random.theta, adam(3)), std::invalid_argument);
  for (const nn::Head head : {nn::Head::shared, nn::Head::zero, nn::Head::prototype}) {
    EXPECT_THROW(Learner(*random.network, adam(3), at::kDouble, head), ConfigError) << word_of(head);
  }
}

TEST(InnerBatches, AreTakenInTurnOneOfEachClassBeforeASecond) {
  // Images 0 and 1 are of class 0, 2 and 3 of class 1, 4 and 5 of class 2.
  const std::vector<std::vector<int64_t>> expected = {{0, 2, 4, 1}, {3, 5, 0, 2}, {4, 1, 3, 5}, {0, 2, 4, 1}};
  const InnerOptions inner{.steps = 4, .learning_rate = 0.1, .batch = 4};
  for (const auto engine : {Engine::hand_written, Engine::autograd}) {
    for (const auto downsampling : {nn::Downsampling::stride, nn::Downsampling::max_pool}) {
      const RandomProblemOptions options{.model = {.filters = 6, .blocks = 2, .downsampling = downsampling},
                                         .channels = 3,
                                         .engine = engine,
                                         .inner = inner};
      const RandomProblem random(options);
      const at::Tensor phi = random.problem->initial(random.theta);
      for (size_t j = 0; j < expected.size(); ++j) {
        const at::Tensor places = at::tensor(expected[j]);
        const at::Tensor images = support_images(options).index_select(1, places),
                         labels = support_labels(options).index_select(1, places);
        const ClassificationProblem batch(*random.network, images, labels, images, labels, engine);
        const auto whole = batch.linearize(random.theta, phi, Products::none);
        const auto step = random.problem->linearize_step(random.theta, phi, static_cast<int64_t>(j));
        EXPECT_LT(relative_error(step->gradient(), whole->gradient()), 1e-12) << "step " << j;
      }
    }
  }
}

TEST(InnerBatches, ReptileSumsTheirGradients) {
  const InnerOptions inner{.steps = 3, .learning_rate = 0.1, .batch = 2};
  const RandomProblem random({.inner = inner});
  const auto found =
      make_estimator({.estimator = "reptile"}, inner)->estimate(*random.problem, random.theta, {});
  at::Tensor phi = random.problem->initial(random.theta), sum = at::zeros_like(phi);
  for (int64_t j = 0; j < inner.steps; ++j) {
    const at::Tensor gradient = random.problem->linearize_step(random.theta, phi, j)->gradient();
    sum = sum + gradient;
    phi = phi - inner.learning_rate * gradient;
  }
  EXPECT_LT(relative_error(found.gradient, sum), 1e-12);
}

TEST(InnerBatches, OfAllImagesOrMoreAreTheSupportSet) {
  for (const int64_t batch : {6, 100}) {
    const RandomProblem random({.inner = {.batch = batch}}), whole({});
    const at::Tensor phi = whole.problem->initial(whole.theta);
    EXPECT_TRUE(at::equal(random.problem->linearize_step(random.theta, phi, 1)->gradient(),
                          whole.problem->linearize_step(whole.theta, phi, 1)->gradient()));
  }
}

TEST(InnerBatches, AreRefusedWhereADerivativeIsTakenOrTheHeadAloneAdapts) {
  EXPECT_EQ(complaint({.estimator = "exact"}, {.batch = 5}),
            "inner.batch: need 0, got 5: exact takes the derivatives of steps on all support images; reptile "
            "takes none");
  EXPECT_EQ(complaint({.estimator = "reptile"}, {.batch = 5}), "");
  const RandomProblem random({});
  EXPECT_THROW(Learner(*random.network, {.batch = 5, .adapt = Adapt::head}, at::kDouble), ConfigError);
}

}  // namespace
}  // namespace ufo::bilevel
