#include "cli/self_check.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/bilevel/classification.h>
#include <ufo/train/device.h>

namespace ufo::cli {
namespace {

constexpr bilevel::InnerOptions kInner{.steps = 2, .learning_rate = 0.4};

/// A small network on random images.
class SelfCheck : public testing::Test {
 protected:
  SelfCheck() {
    at::manual_seed(1);
    const nn::InputShape input{.channels = 1, .height = 9, .width = 9, .ways = 3};
    network = nn::make_network({.filters = 4, .blocks = 2}, input);
    batch = {.support_images = at::rand({2, 6, 1, 9, 9}),
             .support_labels = at::arange(6).remainder(3).expand({2, 6}).contiguous(),
             .query_images = at::rand({2, 6, 1, 9, 9}),
             .query_labels = at::arange(6).remainder(3).expand({2, 6}).contiguous()};
    theta = network->initial_parameters(1).to(at::kDouble);
  }

  std::unique_ptr<nn::Network> network;
  episode::EpisodeBatch batch;
  at::Tensor theta;
};

TEST_F(SelfCheck, AcceptsTheExactGradientAndRefusesTheFirstOrderOne) {
  const auto problem = train::make_problem(*network, batch, theta, bilevel::Engine::autograd);
  const auto exact =
      bilevel::exact_gradient(problem, theta, kInner, bilevel::Memory::recompute).gradient.mean(0);
  const auto first = bilevel::first_order_gradient(problem, theta, kInner).gradient.mean(0);
  EXPECT_LT(central_difference_error(problem, theta, exact, kInner, 1), 1e-5);
  EXPECT_GT(central_difference_error(problem, theta, first, kInner, 1), 1e-2);
  const auto expected = one_graph_gradient(*network, batch, theta, kInner);
  EXPECT_LT(relative_error(exact, expected), 1e-10);
  EXPECT_GT(relative_error(first, expected), 1e-2);
}

TEST_F(SelfCheck, AcceptsTheExactGradientOfMamlPlusPlus) {
  const nn::InputShape input{.channels = 1, .height = 9, .width = 9, .ways = 3};
  network = nn::make_network(
      {.filters = 4, .blocks = 2, .batch_norm = nn::BatchNorm::per_step, .negative_slope = 0.1}, input);
  bilevel::InnerOptions inner = kInner;
  inner.rates = {.per = bilevel::RatesPer::layer_and_step, .learned = true};
  const bilevel::Learner learner(*network, inner, at::kDouble);
  theta = learner.initial(1).to(at::kDouble);
  auto problem = train::make_problem(learner, batch, theta, bilevel::Engine::hand_written);
  const at::Tensor weights = at::tensor({0.4, 0.6}, at::kDouble);
  problem.weigh_outer(weights);
  const auto exact =
      bilevel::exact_gradient(problem, theta, inner, bilevel::Memory::recompute).gradient.mean(0);
  EXPECT_LT(central_difference_error(problem, theta, exact, inner, 1), 1e-5);
  EXPECT_LT(relative_error(exact, one_graph_gradient(learner, batch, theta, inner, weights)), 1e-10);
  EXPECT_GT(relative_error(exact, one_graph_gradient(learner, batch, theta, inner)), 1e-2);
}

TEST_F(SelfCheck, SeesTheBiasOfFirstOrderAndNoneOfUfo) {
  const auto problem = train::make_problem(*network, batch, theta, bilevel::Engine::autograd);
  const auto bias = measure_bias(problem, theta, kInner, network->layout(), 0.2, 4000, 3);
  EXPECT_LT(bias.ufo.standard_errors, 4) << bias.ufo.block;
  EXPECT_GT(bias.ufo.standard_errors, 0);
  EXPECT_GT(bias.first_order.standard_errors, 4) << bias.first_order.block;
}

}  // namespace
}  // namespace ufo::cli
