#include "properties.h"
#include "random_problem.h"

#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/bilevel/product_costs.h>

namespace ufo::bilevel {
namespace {

const InnerOptions kInner{.steps = 3, .learning_rate = 0.4};

const nn::ModelOptions kModels[] = {
    {.filters = 4},
    {.filters = 4, .blocks = 2, .downsampling = nn::Downsampling::max_pool},
    {.name = "mlp", .hidden = {12, 10}},
    {.name = "resnet12", .widths = {3, 4}},
};

ExactTasks all_exact(const Problem& problem, double q = 1) {
  return {.count = problem.tasks(), .probability = q};
}

std::vector<Base> bases(int64_t depth) {
  std::vector<Base> all = {Base::first_order()};
  for (int64_t blocks = 0; blocks <= depth; ++blocks) {
    all.push_back(Base::last(blocks));
  }
  return all;
}

TEST(Partial, WithAllBlocksIsExactToTheBit) {
  for (const auto& model : kModels) {
    const RandomProblem random({.model = model});
    const Base all = Base::last(random.network->layout().depth());
    for (const auto memory : {Memory::store_linearizations, Memory::store_parameters, Memory::recompute}) {
      const auto partial = base_gradient(*random.problem, random.theta, kInner, memory, all).gradient;
      const auto exact = exact_gradient(*random.problem, random.theta, kInner, memory).gradient;
      EXPECT_TRUE(at::equal(partial, exact)) << model.name << word_of(model.downsampling);
    }
  }
}

TEST(Partial, WithNothingIsFirstOrderToTheBit) {
  const RandomProblem random({.model = kModels[0]});
  const auto partial = make_estimator({.estimator = "partial", .base = Base::first_order()}, kInner);
  EXPECT_TRUE(at::equal(partial->estimate(*random.problem, random.theta, {}).gradient,
                        first_order_gradient(*random.problem, random.theta, kInner).gradient));
}

TEST(UfoOnABase, IsUnbiasedForEveryBase) {
  for (const auto& model : kModels) {
    const RandomProblem random({.model = model});
    const auto exact =
        exact_gradient(*random.problem, random.theta, kInner, Memory::store_linearizations).gradient;
    for (const Base base : bases(random.network->layout().depth())) {
      EXPECT_LT(relative_error(mean_of_ufo(*random.problem, random.theta, kInner, base), exact), 1e-13)
          << model.name << base.blocks();
    }
  }
}

TEST(UfoOnABase, MeasuresWhatItsBaseLeavesOut) {
  const RandomProblem random({.model = kModels[0]});
  const Base base = Base::last(1);
  const auto ufo = make_estimator({.estimator = "ufo", .base = base, .q = {0.5}}, kInner);
  const auto exact =
      exact_gradient(*random.problem, random.theta, kInner, Memory::store_linearizations).gradient;
  const auto own =
      base_gradient(*random.problem, random.theta, kInner, Memory::store_linearizations, base).gradient;
  EXPECT_LT(
      relative_error(ufo->estimate(*random.problem, random.theta, all_exact(*random.problem)).bias_squared,
                     (exact - own).square().sum(1)),
      1e-10);
}

TEST(Ufo, WithCertaintyHasTheBytesOfExact) {
  for (const Base base : {Base::first_order(), Base::last(1)}) {
    const RandomProblem random({.model = kModels[0], .dtype = at::kFloat});
    const auto ufo = make_estimator({.estimator = "ufo", .base = base, .q = {1.0}}, kInner);
    EXPECT_TRUE(at::equal(
        ufo->estimate(*random.problem, random.theta, all_exact(*random.problem)).gradient,
        exact_gradient(*random.problem, random.theta, kInner, Memory::store_linearizations).gradient));
  }
}

TEST(Exact, ClipsTheAdjointAfterEveryStepWhereAsked) {
  const RandomProblem random({.model = kModels[0]});
  const auto whole = exact_gradient(*random.problem, random.theta, kInner, WayBack{}).gradient;
  const double most = whole.abs().max().item<double>();
  EXPECT_TRUE(
      at::equal(exact_gradient(*random.problem, random.theta, kInner, WayBack{.clip = 1e9}).gradient, whole));
  const auto clipped =
      exact_gradient(*random.problem, random.theta, kInner, WayBack{.clip = most / 3}).gradient;
  EXPECT_LE(clipped.abs().max().item<double>(), most / 3);
  EXPECT_FALSE(at::equal(clipped, whole.clamp(-most / 3, most / 3)));  // earlier steps were clipped too
}

TEST(Coin, FollowsItsProbabilityAlongTheRun) {
  const EstimatorOptions options{.estimator = "ufo", .q = {.value = 0, .to = 0.8}};
  Coin coin = make_coin(options, *make_estimator(options, kInner));
  EXPECT_EQ(coin.probability(), 0);
  coin.set_progress(0.5);
  EXPECT_DOUBLE_EQ(coin.probability(), 0.4);
  coin.set_progress(1);
  EXPECT_DOUBLE_EQ(coin.probability(), 0.8);
  EXPECT_THROW(make_estimator({.estimator = "ufo", .q = {.value = 0, .to = 1.2}}, kInner), ConfigError);
}

TEST(Work, CountsGradientCallsByTheArithmetic) {
  const ProductCosts products{.whole = 2, .base = 0.1};
  const auto cost = [&](const EstimatorOptions& options, bool exact) {
    return make_estimator(options, kInner, products)->work(exact).cost;
  };
  EXPECT_DOUBLE_EQ(cost({.estimator = "first_order"}, false), 4);
  EXPECT_DOUBLE_EQ(cost({.estimator = "exact"}, true), 4 + 2 * 3);
  EXPECT_DOUBLE_EQ(cost({.estimator = "exact", .memory = Memory::recompute}, true), 4 + 3 + 3 + 2 * 3);
  EXPECT_DOUBLE_EQ(cost({.estimator = "partial"}, false), 4 + 0.1 * 3);
  EXPECT_DOUBLE_EQ(cost({.estimator = "ufo"}, false), 4);
  EXPECT_DOUBLE_EQ(cost({.estimator = "ufo"}, true), 4 + 2 * 3);
  EXPECT_DOUBLE_EQ(cost({.estimator = "ufo", .base = Base::last(1)}, true), 4 + 2 * 3 + 0.1 * 3);
  EXPECT_DOUBLE_EQ(cost({.estimator = "reptile"}, false), 3);
  // The UFO paper's price: constant memory, a Hessian product as one gradient.
  const auto paper =
      make_estimator({.estimator = "exact", .memory = Memory::recompute}, {.steps = 9}, {.whole = 1});
  EXPECT_DOUBLE_EQ(paper->work(true).cost, 10 + 9 + 36 + 9);
}

TEST(ProductCosts, AreTheSharesOfTheMultiplyAdds) {
  const nn::InputShape input{.channels = 2, .height = 9, .width = 9, .ways = 3};
  const auto network = nn::make_network({.filters = 4, .blocks = 2}, input);
  const auto work = network->multiply_adds(input);
  const auto costs = [&](std::optional<Base> base) { return product_costs(*network, input, base, 3); };
  EXPECT_EQ(costs({}).whole, 3);
  EXPECT_EQ(costs({}).base, 0);
  EXPECT_EQ(costs(Base::first_order()).base, 0);
  EXPECT_DOUBLE_EQ(costs(Base::last(1)).base, 3.0 * static_cast<double>(work.hessian_product(1)) /
                                                  static_cast<double>(work.hessian_product()));
  EXPECT_EQ(costs(Base::last(2)).base, 3);
  EXPECT_THROW(costs(Base::last(3)), std::invalid_argument);
}

TEST(Work, IsWhatTheEstimateTook) {
  const RandomProblem random({.model = kModels[0]});
  for (const Base base : {Base::first_order(), Base::last(1)}) {
    for (const int64_t exact : {0, 1, 2}) {
      const auto ufo = make_estimator({.estimator = "ufo", .base = base, .q = {0.5}}, kInner);
      const auto estimate = ufo->estimate(*random.problem, random.theta, {.count = exact});
      const int64_t others = random.problem->tasks() - exact;
      EXPECT_EQ(estimate.gradient_calls,
                exact * ufo->work(true).gradient_calls + others * ufo->work(false).gradient_calls);
      EXPECT_EQ(estimate.hessian_products, exact * ufo->work(true).hessian_products);
    }
  }
}

TEST(MethodNames, SayWhatIsKeptAndHowOftenItIsCorrected) {
  EXPECT_EQ(method_name({.estimator = "exact"}), "MAML");
  EXPECT_EQ(method_name({.estimator = "first_order"}), "FOMAML");
  EXPECT_EQ(method_name({.estimator = "partial"}), "Partial MAML (head + 1)");
  EXPECT_EQ(method_name({.estimator = "partial", .base = Base::last(0)}), "Partial MAML (head)");
  EXPECT_EQ(method_name({.estimator = "ufo", .q = {0.2}}), "UFO-MAML (q=0.2)");
  EXPECT_EQ(method_name({.estimator = "ufo", .base = Base::last(2), .q = {.adaptive = true}}),
            "UFO-MAML (q=adaptive on head + 2)");
  EXPECT_EQ(method_name({.estimator = "ufo", .q = {.value = 0, .to = 0.5}}), "UFO-MAML (q=0 to 0.5)");
}

TEST(MethodNames, SayWhatAdaptsAndWhichRatesAreLearned) {
  const auto name = [](const char* estimator, Adapt adapts, const InnerRateOptions& rates = {}) {
    return method_name({.estimator = estimator, .q = {0.2}}, {.rates = rates, .adapt = adapts});
  };
  EXPECT_EQ(name("exact", Adapt::head), "ANIL");
  EXPECT_EQ(name("first_order", Adapt::body), "First-order BOIL");
  EXPECT_EQ(name("ufo", Adapt::head), "UFO-MAML (q=0.2), ANIL");
  EXPECT_EQ(name("exact", Adapt::all, {.per = RatesPer::parameter, .learned = true}), "Meta-SGD");
  EXPECT_EQ(name("first_order", Adapt::all, {.per = RatesPer::layer_and_step, .learned = true}),
            "FOMAML + LSLR");
  EXPECT_EQ(name("exact", Adapt::head, {.per = RatesPer::layer, .learned = true}), "ANIL + learned rates");
}

TEST(MethodNames, OfAKnownRecipeTakeThePlaceOfItsParts) {
  const InnerOptions inner{.rates = {.per = RatesPer::layer_and_step, .learned = true}};
  EXPECT_EQ(method_name({.estimator = "exact"}, inner, nn::Head::linear, "MAML++"), "MAML++");
  EXPECT_EQ(method_name({.estimator = "first_order"}, inner, nn::Head::linear, "MAML++"),
            "First-order MAML++");
  EXPECT_EQ(method_name({.estimator = "ufo", .q = {.value = 0, .to = 1}}, inner, nn::Head::linear, "MAML++"),
            "UFO-MAML (q=0 to 1), MAML++");
}

}  // namespace
}  // namespace ufo::bilevel
