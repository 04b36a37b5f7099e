#include "central_difference.h"
#include "properties.h"
#include "random_problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

constexpr RatesPer kAllRates[] = {RatesPer::run, RatesPer::layer, RatesPer::layer_and_step,
                                  RatesPer::parameter};

const nn::ModelOptions kModels[] = {
    {.filters = 4, .blocks = 2},
    {.name = "mlp", .hidden = {12, 10}},
};

InnerOptions learned(RatesPer per, Adapt adapt = Adapt::all) {
  return {.steps = 3, .learning_rate = 0.3, .rates = {.per = per, .learned = true}, .adapt = adapt};
}

std::string name_of(const InnerOptions& inner) {
  return word_of(inner.rates.per) + " " + word_of(inner.adapt);
}

TEST(InnerRates, HaveTheExactGradientOfCentralDifferences) {
  for (const auto& model : kModels) {
    for (const RatesPer per : kAllRates) {
      for (const Adapt adapts : {Adapt::all, Adapt::body, Adapt::head}) {
        const InnerOptions inner = learned(per, adapts);
        const RandomProblem random({.model = model, .inner = inner});
        const auto gradient =
            exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations)
                .gradient.mean(0);
        ASSERT_EQ(gradient.sizes(), random.theta.sizes());
        const int64_t rates = random.problem->learned_rates();
        at::Tensor along_rates = at::zeros_like(random.theta);
        along_rates.narrow(0, random.theta.size(0) - rates, rates)
            .copy_(random_normal({rates}, 9) / std::sqrt(static_cast<double>(rates)));
        const at::Tensor along_all = random_normal(random.theta.sizes(), 8) / random.theta.norm();
        for (const at::Tensor& direction : {along_rates, along_all}) {
          const double expected = gradient.dot(direction).item<double>();
          EXPECT_NEAR(central_difference(*random.problem, random.theta, direction, inner, expected), expected,
                      1e-6 * std::max(std::abs(expected), 0.01))
              << model.name << " " << name_of(inner);
        }
      }
    }
  }
}

TEST(InnerRates, HaveTheSameGradientInEveryMemoryModeAndByAutograd) {
  for (const RatesPer per : kAllRates) {
    expect_one_exact_gradient({.model = kModels[0], .inner = learned(per)});
  }
}

TEST(InnerRates, HaveTheFirstOrderGradientOfInnerGradientsHeldFast) {
  const InnerOptions inner = learned(RatesPer::layer_and_step);
  const RandomProblem random({.model = kModels[0], .inner = inner});
  const auto& problem = *random.problem;
  const auto found = first_order_gradient(problem, random.theta, inner).gradient;
  std::vector<at::Tensor> gradients;
  at::Tensor phi = problem.initial(random.theta);
  for (int64_t j = 0; j < inner.steps; ++j) {
    phi = inner_step(problem, random.theta, phi, inner, j, &gradients);
  }
  const at::Tensor v = problem.outer_gradient(random.theta, phi).phi;
  EXPECT_LT(relative_error(found.narrow(1, 0, v.size(1)), v), 1e-15);
  const int64_t layers = problem.learned_rates() / inner.steps;
  const auto rates = found.narrow(1, v.size(1), problem.learned_rates()).view({-1, layers, inner.steps});
  for (int64_t j = 0; j < inner.steps; ++j) {
    const at::Tensor all_layers = -(gradients[static_cast<size_t>(j)] * v).sum(1);
    EXPECT_LT(relative_error(rates.select(2, j).sum(1), all_layers), 1e-12) << "step " << j;
  }
}

TEST(InnerRates, LeaveUfoUnbiased) {
  for (const RatesPer per : kAllRates) {
    const InnerOptions inner = learned(per);
    const RandomProblem random({.model = kModels[0], .inner = inner});
    const auto exact =
        exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient;
    for (const Base base : {Base::first_order(), Base::last(1)}) {
      EXPECT_LT(relative_error(mean_of_ufo(*random.problem, random.theta, inner, base), exact), 1e-12)
          << word_of(per);
    }
  }
}

TEST(InnerRates, ThatAreAllTheSameGiveTheGradientOfOneRate) {
  const RandomProblem one({.model = kModels[0]});
  const InnerOptions inner{.steps = 3, .learning_rate = 0.3};
  const auto expected = exact_gradient(*one.problem, one.theta, inner, Memory::store_linearizations).gradient;
  const InnerOptions options = learned(RatesPer::parameter);
  const Learner learner(*one.network, options, at::kDouble);
  const RandomProblem many({.model = kModels[0], .inner = options});
  const at::Tensor theta = at::cat({one.theta, learner.rates->initial().to(at::kDouble)});
  const auto found = exact_gradient(*many.problem, theta, options, Memory::store_linearizations).gradient;
  EXPECT_LT(relative_error(found.narrow(1, 0, one.theta.size(0)), expected), 1e-6);  // 0.3 is a float there
}

TEST(InnerRates, ChangeWhatAdaptsAndNothingElse) {
  for (const Adapt adapts : {Adapt::body, Adapt::head}) {
    const InnerOptions inner{.steps = 2, .learning_rate = 0.3, .adapt = adapts};
    const RandomProblem random({.model = kModels[0], .inner = inner});
    const at::Tensor phi =
        random.problem->parameters(random.theta, adapt(*random.problem, random.theta, inner, inner.steps));
    const int64_t head = random.network->layout().start_of_last(0), all = random.theta.size(0);
    const auto moved = [&](int64_t first, int64_t end) {
      return !at::equal(phi[0].narrow(0, first, end - first), random.theta.narrow(0, first, end - first));
    };
    EXPECT_EQ(moved(0, head), adapts == Adapt::body);
    EXPECT_EQ(moved(head, all), adapts == Adapt::head);
    EXPECT_EQ(random.problem->learned_rates(), 0);
  }
}

TEST(InnerRates, OfStepsBeyondThoseOfTrainingAreTheLastOnes) {
  const InnerOptions inner = learned(RatesPer::layer_and_step);
  const RandomProblem random({.model = kModels[0], .inner = inner});
  EXPECT_TRUE(at::equal(random.problem->rates(random.theta, 7), random.problem->rates(random.theta, 2)));
  EXPECT_FALSE(at::equal(random.problem->rates(random.theta, 1), random.problem->rates(random.theta, 2)));
}

TEST(InnerRates, StayAtZeroOrAboveUnlessTheyMayNot) {
  const RandomProblem random({.model = kModels[0]});
  InnerOptions inner = learned(RatesPer::layer);
  const InnerRates rates(inner, random.network->layout(), NormAdapts::yes);
  inner.rates.below_zero = true;
  const InnerRates free(inner, random.network->layout(), NormAdapts::yes);
  at::Tensor theta = at::full({random.network->layout().size() + rates.size()}, -1.0);
  free.project(theta);
  EXPECT_EQ(theta.max().item<double>(), -1);
  rates.project(theta);
  EXPECT_TRUE(
      at::equal(theta.narrow(0, random.network->layout().size(), rates.size()), at::zeros({rates.size()})));
  EXPECT_EQ(theta[0].item<double>(), -1) << "of the network";
}

TEST(InnerRates, StandInCheckpointsUnderTheNamesOfTheirLayers) {
  const auto network = nn::make_network(kModels[0], {});
  const auto names = [&](RatesPer per) {
    std::vector<std::string> all;
    const nn::Layout layout = Learner(*network, learned(per), at::kFloat).layout();
    for (const auto& entry : layout.entries()) {
      if (entry.name.starts_with("inner.rates.")) {
        all.push_back(entry.name.substr(12) + " " + std::to_string(entry.size));
      }
    }
    return all;
  };
  EXPECT_THAT(names(RatesPer::run), testing::ElementsAre("all 1"));
  EXPECT_THAT(names(RatesPer::layer_and_step),
              testing::ElementsAre("blocks.0.conv 3", "blocks.0.norm 3", "blocks.1.conv 3", "blocks.1.norm 3",
                                   "head 3"));
  EXPECT_THAT(names(RatesPer::parameter), testing::Contains("head.weight 20"));
}

TEST(InnerRates, AreOfFloatWhereADeviceAloneIsGiven) {
  const auto network = nn::make_network(kModels[0], {});
  for (const InnerOptions& inner : {learned(RatesPer::parameter), InnerOptions{.adapt = Adapt::body}}) {
    const Learner learner(*network, inner, at::Device(at::kCPU));
    EXPECT_EQ(learner.rates->of_step(learner.initial(1), 0).scalar_type(), at::kFloat);
  }
}

TEST(InnerRates, ThatAreLearnedNeedAnOuterGradient) {
  EXPECT_THROW(make_estimator({.estimator = "reptile"}, learned(RatesPer::layer)), ConfigError);
}

}  // namespace
}  // namespace ufo::bilevel
