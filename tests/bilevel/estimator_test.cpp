#include "random_problem.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::bilevel {
namespace {

/// M(theta) as one differentiable expression through all inner steps, written without the code under test.
at::Tensor unrolled_loss(const Problem& problem, const nn::Network& network, const at::Tensor& theta,
                         const at::Tensor& support, const at::Tensor& support_labels, const at::Tensor& query,
                         const at::Tensor& query_labels, const InnerOptions& inner) {
  at::Tensor phi = theta.unsqueeze(0).expand({problem.tasks(), theta.size(0)});
  for (int64_t j = 0; j < inner.steps; ++j) {
    const auto loss = cross_entropy(network.logits(phi, support), support_labels).sum();
    phi = phi - inner.learning_rate * torch::autograd::grad({loss}, {phi}, {}, true, true)[0];
  }
  return cross_entropy(network.query_logits(phi, query, support), query_labels).mean();
}

struct Case {
  const char* name;
  nn::ModelOptions model;
  int64_t steps;
  int64_t tasks;
  Engine engine = Engine::hand_written;
};

class MetaGradientOf : public testing::TestWithParam<Case> {};

TEST_P(MetaGradientOf, ExactEqualsOneGraphThroughAllSteps) {
  const Case c = GetParam();
  const RandomProblem random({.model = c.model, .tasks = c.tasks, .engine = c.engine});
  const InnerOptions inner{.steps = c.steps, .learning_rate = 0.4};
  const auto estimator = make_estimator({.estimator = "exact"}, inner);
  const auto estimate =
      estimate_meta_gradient(*random.problem, random.theta, *estimator, Coins::all(c.tasks, true));

  // The problem's own data, drawn again.
  const RandomProblemOptions o{.model = c.model, .tasks = c.tasks};
  const auto images = [&](int64_t a_class, uint64_t seed) {
    return random_normal({o.tasks, o.ways * a_class, o.height, o.width, o.channels}, seed)
        .permute({0, 1, 4, 2, 3});
  };
  const auto labels = at::arange(o.ways).repeat_interleave(2).expand({o.tasks, o.ways * 2});
  c10::AutoGradMode enable(true);
  const auto theta = random.theta.detach().requires_grad_();
  const auto loss = unrolled_loss(*random.problem, *random.network, theta, images(2, 3), labels, images(2, 4),
                                  labels, inner);
  const auto expected = torch::autograd::grad({loss}, {theta})[0];
  EXPECT_LT(relative_error(estimate.gradient, expected), 1e-10);
  EXPECT_NEAR(estimate.loss, loss.item<double>(), 1e-12);
}

const nn::ModelOptions kStrided = {.filters = 6},
                       kPooled = {.filters = 5, .blocks = 3, .downsampling = nn::Downsampling::max_pool},
                       kMlp = {.name = "mlp", .hidden = {8, 7}},
                       kResidual = {.name = "resnet12", .widths = {3, 4}},
                       kBySupport = {.filters = 6, .batch_norm = nn::BatchNorm::support},
                       kPooledBySupport = {.filters = 5,
                                           .blocks = 3,
                                           .downsampling = nn::Downsampling::max_pool,
                                           .batch_norm = nn::BatchNorm::support};

INSTANTIATE_TEST_SUITE_P(Networks, MetaGradientOf,
                         testing::Values(Case{"strided", kStrided, 1, 3}, Case{"strided", kStrided, 3, 33},
                                         Case{"strided", kStrided, 5, 2}, Case{"strided", kStrided, 15, 1},
                                         Case{"pooled", kPooled, 1, 33}, Case{"pooled", kPooled, 3, 2},
                                         Case{"pooled", kPooled, 5, 1}, Case{"pooled", kPooled, 15, 3},
                                         Case{"mlp", kMlp, 3, 4}, Case{"by_support", kBySupport, 1, 3},
                                         Case{"by_support", kBySupport, 5, 2},
                                         Case{"pooled_by_support", kPooledBySupport, 3, 2},
                                         Case{"autograd_by_support", kBySupport, 3, 2, Engine::autograd},
                                         Case{"autograd_strided", kStrided, 5, 2, Engine::autograd},
                                         Case{"autograd_pooled", kPooled, 3, 2, Engine::autograd},
                                         Case{"resnet12", kResidual, 3, 4},
                                         Case{"resnet12", kResidual, 15, 2},
                                         Case{"autograd_mlp", kMlp, 3, 4, Engine::autograd}),
                         [](const auto& info) {
                           const Case& c = info.param;
                           return std::string(c.name) + "_" + std::to_string(c.steps) + "_steps_" +
                                  std::to_string(c.tasks) + "_tasks";
                         });

/// Derivative of M along `direction` by central differences.
double central_difference(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                          const at::Tensor& direction, double step) {
  const auto loss_at = [&](double t) {
    const auto moved = theta + t * direction;
    return problem.outer_value(moved, adapt(problem, moved, inner, inner.steps)).loss.mean().item<double>();
  };
  return (loss_at(step) - loss_at(-step)) / (2 * step);
}

TEST(ExactGradient, AgreesWithCentralDifferences) {
  const RandomProblem random({.model = {.name = "mlp", .hidden = {8}}});
  const InnerOptions inner{.steps = 3, .learning_rate = 0.4};
  const auto gradient =
      exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient;
  for (uint64_t seed = 10; seed < 15; ++seed) {
    const auto direction = random_normal(random.theta.sizes(), seed);
    const double slope = (gradient.mean(0) * direction).sum().item<double>();
    EXPECT_NEAR(central_difference(*random.problem, random.theta, inner, direction, 1e-6), slope,
                1e-6 * std::abs(slope) + 1e-8);
  }
}

TEST(ExactGradient, IsTheSameInEveryMemoryMode) {
  const RandomProblem random({.model = {.filters = 4}});
  const InnerOptions inner{.steps = 4, .learning_rate = 0.4};
  const auto expected = exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations);
  EXPECT_EQ(expected.gradient_calls, 3 * (4 + 1));
  const auto stored = exact_gradient(*random.problem, random.theta, inner, Memory::store_parameters);
  EXPECT_TRUE(at::equal(stored.gradient, expected.gradient));
  EXPECT_EQ(stored.gradient_calls, 3 * (4 + 1 + 4));
  const auto recomputed = exact_gradient(*random.problem, random.theta, inner, Memory::recompute);
  EXPECT_TRUE(at::equal(recomputed.gradient, expected.gradient));
  EXPECT_EQ(recomputed.gradient_calls, 3 * (4 + 1 + 4 + 4 * 3 / 2));
}

TEST(BothGradients, AreTheBaseOfAllTasksAndExactOfTheFirst) {
  const InnerOptions inner{.steps = 2, .learning_rate = 0.4};
  for (const Engine engine : {Engine::hand_written, Engine::autograd}) {
    const RandomProblem random(
        {.model = {.filters = 2, .blocks = 3}, .height = 8, .width = 8, .engine = engine});
    for (const Memory memory : {Memory::store_linearizations, Memory::store_parameters, Memory::recompute}) {
      const WayBack back{.memory = memory};
      const auto exact = exact_gradient(*random.problem, random.theta, inner, memory).gradient;
      for (const Base base : {Base::first_order(), Base::last(0), Base::last(2)}) {
        const auto expected = base_gradient(*random.problem, random.theta, inner, memory, base);
        for (const int64_t first : {2, 3}) {
          const auto both = both_gradients(*random.problem, random.theta, inner, back, base, first);
          EXPECT_LT(relative_error(both.base, expected.gradient), 1e-12) << base.blocks();
          EXPECT_LT(relative_error(both.exact, exact.narrow(0, 0, first)), 1e-12) << base.blocks();
          EXPECT_LT(relative_error(both.rest.outer.loss, expected.outer.loss), 1e-12) << base.blocks();
        }
      }
    }
  }
}

TEST(Ufo, WithQOneHasTheBytesOfExact) {
  const RandomProblem random({.model = {.filters = 4}, .dtype = at::kFloat});
  const InnerOptions inner{.steps = 2, .learning_rate = 0.4};
  const Coins coins = Coins::all(3, true);
  const auto gradient = [&](const std::string& name) {
    const auto estimator = make_estimator({.estimator = name, .q = {1}}, inner);
    return estimate_meta_gradient(*random.problem, random.theta, *estimator, coins).gradient;
  };
  EXPECT_TRUE(gradient("ufo").equal(gradient("exact")));
}

TEST(Ufo, OfABatchWithWeightsIsThatOfItsTasks) {
  const RandomProblem random({.model = {.filters = 4}});
  const InnerOptions inner{.steps = 2, .learning_rate = 0.4};
  const auto ufo = make_estimator({.estimator = "ufo", .q = {0.25}}, inner);
  const auto weighted = ufo->estimate(*random.problem, random.theta,
                                      {.count = 2, .weights = at::tensor({1 / 0.25, 0.}, at::kDouble)});
  const auto heads = ufo->estimate(*random.problem, random.theta, {.count = 3, .probability = 0.25});
  const auto tails = ufo->estimate(*random.problem, random.theta, {});
  const auto expected = at::cat({heads.gradient.narrow(0, 0, 1), tails.gradient.narrow(0, 1, 2)});
  EXPECT_LT(relative_error(weighted.gradient, expected), 1e-12);
  EXPECT_NEAR(weighted.bias_squared[0].item<double>(), heads.bias_squared[0].item<double>(), 1e-12);
  EXPECT_EQ(weighted.bias_squared[1].item<double>(), 0) << "of a task that is not among the exact ones";
}

TEST(ClassificationProblem, SelectsTasksInTheOrderAskedFor) {
  const RandomProblem random({.model = {.filters = 4}, .tasks = 4});
  const std::vector<int64_t> order = {0, 2, 1, 3};
  const auto loss = [&](const Problem& problem) {
    return problem.outer_value(random.theta, problem.initial(random.theta)).loss;
  };
  const auto expected = loss(*random.problem).index_select(0, at::tensor(order, at::kLong));
  EXPECT_TRUE(loss(*random.problem->select(order)).equal(expected));
}

TEST(Estimators, SayWhatWorkATaskIs) {
  const RandomProblem random({.model = {.filters = 4}});
  const InnerOptions inner{.steps = 4, .learning_rate = 0.4};
  for (const char* name : {"first_order", "exact", "ufo", "reptile"}) {
    for (const auto& [memory, word] : Words<Memory>::table) {
      const auto estimator = make_estimator({.estimator = name, .memory = memory}, inner);
      for (const bool exact : {false, true}) {
        const auto done = estimator->estimate(*random.problem, random.theta, {.count = exact ? 3 : 0});
        EXPECT_EQ(done.gradient_calls, 3 * estimator->work(exact).gradient_calls) << name << ", " << word;
        EXPECT_EQ(done.hessian_products, 3 * estimator->work(exact).hessian_products) << name << ", " << word;
      }
    }
  }
}

TEST(FirstOrderGradient, IsTheQueryGradientAtTheEndOfTheInnerLoop) {
  const RandomProblem random({});
  const InnerOptions inner{.steps = 2, .learning_rate = 0.4};
  const auto phi = adapt(*random.problem, random.theta, inner, 2);
  const auto expected = random.problem->outer_gradient(random.theta, phi).phi;
  EXPECT_TRUE(at::equal(first_order_gradient(*random.problem, random.theta, inner).gradient, expected));
}

TEST(Reptile, IsTheSumOfTheInnerGradients) {
  const RandomProblem random({});
  const InnerOptions inner{.steps = 3, .learning_rate = 0.4};
  const auto result =
      make_estimator({.estimator = "reptile"}, inner)->estimate(*random.problem, random.theta, {});
  at::Tensor phi = random.problem->initial(random.theta), sum = at::zeros_like(phi);
  for (int j = 0; j < 3; ++j) {
    const auto gradient = random.problem->linearize(random.theta, phi, Products::none)->gradient();
    sum = sum + gradient;
    phi = phi - 0.4 * gradient;
  }
  EXPECT_LT(relative_error(result.gradient, sum), 1e-12);
}

TEST(Ufo, HasTheMeanOfExactAndFirstOrderHasNot) {
  constexpr int64_t kTasks = 4, kDraws = 4000;
  constexpr double kQ = 0.2;
  const RandomProblem random({.model = {.filters = 4}, .tasks = kTasks});
  const InnerOptions inner{.steps = 3, .learning_rate = 0.4};
  const auto ufo = make_estimator({.estimator = "ufo", .q = {kQ}}, inner);
  // The estimate of a task takes one of two values; the draws below only toss which.
  const at::Tensor values[2] = {
      ufo->estimate(*random.problem, random.theta, {}).gradient,
      ufo->estimate(*random.problem, random.theta, {.count = kTasks, .probability = kQ}).gradient};
  const auto exact =
      exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient.mean(0);
  at::Tensor sum = at::zeros_like(exact), squares = at::zeros_like(exact);
  for (uint64_t step = 0; step < kDraws; ++step) {
    const auto coins = toss_coins(1, step, kTasks, kQ);
    at::Tensor estimate = at::zeros_like(exact);
    for (int64_t task = 0; task < kTasks; ++task) {
      estimate += values[coins.exact[task]][task] / kTasks;
    }
    sum += estimate;
    squares += (estimate - exact).square();
  }
  const auto deviations = [&](const at::Tensor& mean, const nn::ParameterEntry& entry) {
    const auto part = [&](const at::Tensor& t) { return t.narrow(0, entry.offset, entry.size); };
    const double standard_error = std::sqrt(part(squares).sum().item<double>() / kDraws / kDraws);
    return part(mean - exact).norm().item<double>() / standard_error;
  };
  const auto first_order = values[0].mean(0);
  double worst_first_order = 0;
  for (const auto& entry : random.network->layout().entries()) {
    if (entry.name.find("conv.bias") != std::string::npos) {
      continue;  // batch norm takes the bias out again: its gradient is zero
    }
    EXPECT_LT(deviations(sum / kDraws, entry), 4) << entry.name;
    worst_first_order = std::max(worst_first_order, deviations(first_order, entry));
  }
  EXPECT_GT(worst_first_order, 4);
}

TEST(Ufo, CoinsAreAFunctionOfSeedAndStep) {
  EXPECT_EQ(toss_coins(1, 5, 1000, 0.3), toss_coins(1, 5, 1000, 0.3));
  EXPECT_NE(toss_coins(1, 5, 1000, 0.3), toss_coins(1, 6, 1000, 0.3));
  EXPECT_NE(toss_coins(1, 5, 1000, 0.3), toss_coins(2, 5, 1000, 0.3));
  const auto coins = toss_coins(1, 5, 100000, 0.3);
  EXPECT_NEAR(coins.exact_tasks(), 30000, 5 * std::sqrt(100000 * 0.3 * 0.7));
  EXPECT_EQ(toss_coins(1, 5, 10, 1.0), Coins::all(10, true));
  EXPECT_EQ(toss_coins(1, 5, 10, 0.0), Coins::all(10, false));
}

TEST(Features, OfEitherKindAreTheSameByAutogradAndByHand) {
  for (const auto& model : {nn::ModelOptions{.filters = 5, .blocks = 2, .features = nn::Features::flatten},
                            nn::ModelOptions{.filters = 5,
                            .blocks = 2,
                            .downsampling = nn::Downsampling::max_pool,
                            .features = nn::Features::spatial_mean}}) {
    const RandomProblem by_hand({.model = model});
    const RandomProblem by_autograd({.model = model, .engine = Engine::autograd});
    const InnerOptions inner{.steps = 2, .learning_rate = 0.4};
    EXPECT_LT(
        relative_error(
            exact_gradient(*by_hand.problem, by_hand.theta, inner, Memory::store_linearizations).gradient,
            exact_gradient(*by_autograd.problem, by_hand.theta, inner, Memory::store_linearizations)
                .gradient),
        1e-10);
  }
}

TEST(Estimators, RefuseBadOptions) {
  EXPECT_THROW(make_estimator({.estimator = "ufoo"}, {}), ConfigError);
  EXPECT_THROW(make_estimator({.q = {0.0}}, {}), ConfigError);
  EXPECT_THROW(make_estimator({.q = {1.5}}, {}), ConfigError);
  EXPECT_THROW(make_estimator({}, {.steps = -1}), ConfigError);
}

TEST(ProductsOfTheLastBlocks, AreTheSameByAutogradAndByHand) {
  for (const auto& model : {kStrided, kPooled, kMlp, kBySupport}) {
    const RandomProblem by_hand({.model = model});
    const RandomProblem by_autograd({.model = model, .engine = Engine::autograd});
    const at::Tensor phi = by_hand.problem->initial(by_hand.theta).contiguous();
    const at::Tensor v = random_normal(phi.sizes(), 7);
    for (int64_t blocks = 0; blocks <= by_hand.network->layout().depth(); ++blocks) {
      const auto products = Products::of_last(blocks);
      const auto one = by_hand.problem->linearize(by_hand.theta, phi, products);
      const auto other = by_autograd.problem->linearize(by_hand.theta, phi, products);
      EXPECT_LT(relative_error(one->gradient(), other->gradient()), 1e-10) << model.name << blocks;
      EXPECT_LT(relative_error(one->hessian_product(v), other->hessian_product(v)), 1e-10)
          << model.name << blocks;
    }
    EXPECT_THROW(by_hand.problem->linearize(by_hand.theta, phi, Products::of_last(9)), std::invalid_argument);
    EXPECT_THROW(by_autograd.problem->linearize(by_hand.theta, phi, Products::of_last(9)),
                 std::invalid_argument);
  }
}

/// The same problem, all tasks in one call.
class WholeBatch final : public Problem {
 public:
  explicit WholeBatch(std::unique_ptr<Problem> problem) : problem_(std::move(problem)) {}
  int64_t tasks() const override { return problem_->tasks(); }
  std::unique_ptr<Problem> select(std::span<const int64_t> tasks) const override {
    return std::make_unique<WholeBatch>(problem_->select(tasks));
  }
  std::unique_ptr<Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                           Products products) const override {
    return problem_->linearize(theta, phi, products);
  }
  OuterValue outer_value(const at::Tensor& theta, const at::Tensor& phi) const override {
    return problem_->outer_value(theta, phi);
  }
  OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override {
    return problem_->outer_gradient(theta, phi);
  }

 private:
  std::unique_ptr<Problem> problem_;
};

TEST(EstimateMetaGradient, IsTheSameTaskByTaskAndInOneCall) {
  constexpr int64_t kTasks = 5;
  const RandomProblem random({.model = {.filters = 4}, .tasks = kTasks});
  const auto ufo = make_estimator({.estimator = "ufo", .q = {0.4}}, {.steps = 2});
  const Coins coins{.probability = 0.4, .exact = {true, false, false, true, false}};
  const auto one = estimate_meta_gradient(*random.problem, random.theta, *ufo, coins, KeepTasks::yes);
  const std::vector<int64_t> all = {0, 1, 2, 3, 4};
  const WholeBatch batch(random.problem->select(all));
  const auto other = estimate_meta_gradient(batch, random.theta, *ufo, coins, KeepTasks::yes);
  EXPECT_LT(relative_error(one.gradient, other.gradient), 1e-11);
  EXPECT_LT(relative_error(one.task_gradients, other.task_gradients), 1e-11);
  EXPECT_LT(relative_error(one.task_gradients.mean(0), one.gradient), 1e-13);
  EXPECT_EQ(one.exact_tasks, 2);
  EXPECT_EQ(other.exact_tasks, 2);
  EXPECT_NEAR(one.bias_squared / other.bias_squared, 1, 1e-9);
  EXPECT_NEAR(one.norm_squared / other.norm_squared, 1, 1e-9);
  EXPECT_NEAR(one.loss, other.loss, 1e-12);
  EXPECT_NEAR(one.accuracy, other.accuracy, 1e-12);
  EXPECT_EQ(one.gradient_calls, 5 * 3);
  EXPECT_EQ(one.hessian_products, 2 * 2);
}

TEST(EstimateMetaGradient, HasTheSameBytesWithOneAndTwoThreads) {
  constexpr int64_t kTasks = 7;
  const auto estimator = make_estimator({.estimator = "exact"}, {.steps = 2});
  const Coins coins = Coins::all(kTasks, true);
  const int threads = at::get_num_threads();
  for (const auto engine : {Engine::hand_written, Engine::autograd}) {
    const RandomProblem random(
        {.model = {.filters = 8}, .tasks = kTasks, .dtype = at::kFloat, .engine = engine});
    at::set_num_threads(1);
    const auto one = estimate_meta_gradient(*random.problem, random.theta, *estimator, coins);
    at::set_num_threads(2);
    const auto two = estimate_meta_gradient(*random.problem, random.theta, *estimator, coins);
    EXPECT_TRUE(at::equal(one.gradient, two.gradient));
    EXPECT_EQ(one.loss, two.loss);
  }
  at::set_num_threads(threads);
}

/// L_inner = sum_i theta_i (phi_i - a_i)^2 / 2, L_outer = |phi - b|^2 / 2, phi_0 = 0: theta is no
/// initialisation but weighs the inner objective, as in data hyper-cleaning. After r steps phi_i = a_i (1 -
/// (1 - alpha theta_i)^r).
class Weighted final : public Problem {
 public:
  at::Tensor a = at::tensor({1.0, -2.0, 0.5}), b = at::tensor({0.3, 0.2, -0.7});
  int64_t tasks() const override { return 1; }
  std::unique_ptr<Problem> select(std::span<const int64_t>) const override {
    return std::make_unique<Weighted>();
  }
  at::Tensor initial(const at::Tensor& theta) const override { return at::zeros({1, 3}, theta.options()); }
  at::Tensor initial_adjoint(const at::Tensor&, const at::Tensor&) const override { return {}; }
  std::unique_ptr<Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                           Products products) const override {
    const auto inner = [&](const at::Tensor& weights, const at::Tensor& x) {
      return (weights * (x - a).square()).sum(1) / 2;
    };
    return linearize_by_autograd(inner, theta, phi, products);
  }
  OuterValue outer_value(const at::Tensor&, const at::Tensor& phi) const override {
    return {.loss = (phi - b).square().sum(1) / 2, .accuracy = {}};
  }
  OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override {
    return outer_gradient_by_autograd(
        [&](const at::Tensor& t, const at::Tensor& p) { return outer_value(t, p); }, theta, phi);
  }
};

TEST(ProductsOfTheLastBlocks, AreRefusedWhereTheInnerVariablesHaveNone) {
  const auto theta = at::tensor({0.5, 1.5, 3.0});
  EXPECT_THROW(Weighted().linearize(theta, at::zeros({1, 3}), Products::of_last(1)), std::invalid_argument);
}

TEST(ExactGradient, FollowsOuterVariablesInsideTheInnerObjective) {
  const Weighted problem;
  const InnerOptions inner{.steps = 4, .learning_rate = 0.1};
  const auto theta = at::tensor({0.5, 1.5, 3.0});
  for (const auto memory : {Memory::store_linearizations, Memory::store_parameters, Memory::recompute}) {
    const auto gradient = exact_gradient(problem, theta, inner, memory).gradient[0];
    const auto decay = 1 - 0.1 * theta;
    const auto phi = problem.a * (1 - decay.pow(4));
    const auto expected = (phi - problem.b) * problem.a * 4 * decay.pow(3) * 0.1;
    EXPECT_LT(relative_error(gradient, expected), 1e-12);
  }
  EXPECT_EQ(first_order_gradient(problem, theta, inner).gradient.abs().sum().item<double>(), 0);
}

}  // namespace
}  // namespace ufo::bilevel
