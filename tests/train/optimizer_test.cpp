#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <ufo/base/error.h>
#include <ufo/train/outer_optimizer.h>

namespace ufo::train {
namespace {

constexpr int64_t kSize = 1003;

at::Tensor gradient(int64_t step, at::ScalarType type) {
  return at::sin(at::arange(kSize, type) * 0.37 + static_cast<double>(step)) * 0.1;
}

/// The largest difference from `reference`, a torch.optim optimizer of `parameter`, in 50 steps.
double difference(OuterOptimizer& own, const at::Tensor& theta, torch::optim::Optimizer& reference,
                  const at::Tensor& parameter) {
  double largest = 0;
  for (int64_t step = 0; step < 50; ++step) {
    own.step(theta, gradient(step, theta.scalar_type()));
    parameter.mutable_grad() = gradient(step, theta.scalar_type());
    reference.step();
    largest = std::max(largest, (theta - parameter.detach()).abs().max().item<double>());
  }
  return largest;
}

class OuterOptimizers : public testing::TestWithParam<std::tuple<at::ScalarType, double>> {};

TEST_P(OuterOptimizers, AdamStepsAsTorchDoes) {
  const auto [type, tolerance] = GetParam();
  const run::OuterOptions options{.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-6};
  const at::Tensor theta = at::ones({kSize}, type), parameter = at::ones({kSize}, type).requires_grad_();
  torch::optim::Adam reference({parameter}, torch::optim::AdamOptions(0.01).betas({0.8, 0.99}).eps(1e-6));
  EXPECT_LT(difference(*make_outer_optimizer(options, theta), theta, reference, parameter), tolerance);
}

TEST_P(OuterOptimizers, SgdStepsAsTorchDoes) {
  const auto [type, tolerance] = GetParam();
  for (double momentum : {0.0, 0.9}) {
    const run::OuterOptions options{
        .optimizer = run::Optimizer::sgd, .learning_rate = 0.1, .momentum = momentum};
    const at::Tensor theta = at::ones({kSize}, type), parameter = at::ones({kSize}, type).requires_grad_();
    torch::optim::SGD reference({parameter}, torch::optim::SGDOptions(0.1).momentum(momentum));
    EXPECT_LT(difference(*make_outer_optimizer(options, theta), theta, reference, parameter), tolerance)
        << momentum;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, OuterOptimizers,
                         testing::Values(std::tuple(at::kFloat, 2e-6), std::tuple(at::kDouble, 1e-13)));

TEST(OuterOptimizer, GoesOnFromItsStateWithTheSameBits) {
  for (const auto name : {run::Optimizer::adam, run::Optimizer::sgd}) {
    const run::OuterOptions options{.optimizer = name, .momentum = 0.9};
    const at::Tensor theta = at::ones({kSize});
    const auto first = make_outer_optimizer(options, theta);
    first->step(theta, gradient(0, at::kFloat));
    const at::Tensor copy = theta.clone();
    const auto second = make_outer_optimizer(options, copy);
    second->load_state(first->state());
    first->step(theta, gradient(1, at::kFloat));
    second->step(copy, gradient(1, at::kFloat));
    EXPECT_TRUE(theta.equal(copy)) << word_of(name);
  }
}

TEST(OuterOptimizer, TakesANewLearningRateFromTheNextStepOn) {
  for (const auto name : {run::Optimizer::adam, run::Optimizer::sgd}) {
    const at::Tensor theta = at::ones({kSize}), other = at::ones({kSize});
    const auto changed = make_outer_optimizer({.optimizer = name, .learning_rate = 0.5}, theta);
    const auto plain = make_outer_optimizer({.optimizer = name, .learning_rate = 0.01}, other);
    changed->set_learning_rate(0.01);
    for (const auto& [optimizer, parameters] :
         {std::pair(changed.get(), theta), std::pair(plain.get(), other)}) {
      optimizer->step(parameters, gradient(0, at::kFloat));
    }
    EXPECT_TRUE(theta.equal(other)) << word_of(name);
  }
}

TEST(OuterOptimizer, HasTheSameBitsForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  for (const auto name : {run::Optimizer::adam, run::Optimizer::sgd}) {
    std::vector<at::Tensor> results;
    for (int count : {1, 2, 3}) {
      at::set_num_threads(count);
      const at::Tensor values = at::sin(at::arange(100003, at::kFloat));
      results.push_back(at::cos(at::arange(100003, at::kFloat)));
      const auto optimizer = make_outer_optimizer({.optimizer = name, .momentum = 0.9}, results.back());
      for (int step = 0; step < 3; ++step) {
        optimizer->step(results.back(), values);
      }
    }
    at::set_num_threads(threads);
    EXPECT_TRUE(results[0].equal(results[1])) << word_of(name);
    EXPECT_TRUE(results[0].equal(results[2])) << word_of(name);
  }
}

TEST(OuterOptimizer, RefusesTheStateOfAnother) {
  const at::Tensor theta = at::ones({kSize});
  const auto sgd = make_outer_optimizer({.optimizer = run::Optimizer::sgd}, theta);
  const auto adam = make_outer_optimizer({.optimizer = run::Optimizer::adam}, theta);
  const auto small = make_outer_optimizer({.optimizer = run::Optimizer::adam}, theta.narrow(0, 0, 10));
  EXPECT_THROW(adam->load_state(sgd->state()), DataError);
  EXPECT_THROW(adam->load_state(small->state()), DataError);
}

TEST(GradientNorm, IsThe2Norm) {
  for (at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor values = gradient(3, type);
    EXPECT_NEAR(gradient_norm(values).item<double>(), values.to(at::kDouble).norm().item<double>(), 1e-12);
  }
}

TEST(ClipGradient, ClipsElementsThenTheWhole) {
  at::Tensor values = at::tensor({3.0, -4.0}, at::kDouble);
  clip_gradient(values, 0, 10);
  EXPECT_TRUE(values.equal(at::tensor({3.0, -4.0}, at::kDouble)));
  clip_gradient(values, 0, 1);
  EXPECT_TRUE(values.allclose(at::tensor({0.6, -0.8}, at::kDouble)));
  clip_gradient(values, 0.7, 0);
  EXPECT_TRUE(values.allclose(at::tensor({0.6, -0.7}, at::kDouble)));
}

}  // namespace
}  // namespace ufo::train
