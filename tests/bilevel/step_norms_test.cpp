// Batch norm with weights and biases of each inner step's own (model.batch_norm = "per_step"), and without
// any that the inner loop changes (inner.norm = false).

#include "central_difference.h"
#include "properties.h"
#include "random_problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

const nn::ModelOptions kModels[] = {
    {.filters = 4, .blocks = 2, .batch_norm = nn::BatchNorm::per_step},
    {.filters = 4,
     .blocks = 2,
     .downsampling = nn::Downsampling::max_pool,
     .batch_norm = nn::BatchNorm::per_step,
     .negative_slope = 0.1},
    {.name = "resnet12", .batch_norm = nn::BatchNorm::per_step, .widths = {3, 4}},
};

InnerOptions three_steps(bool learned = false) {
  return {.steps = 3, .learning_rate = 0.2, .rates = {.per = RatesPer::layer_and_step, .learned = learned}};
}

RandomProblemOptions small(const nn::ModelOptions& model, const InnerOptions& inner,
                           Engine engine = Engine::hand_written) {
  return {.model = model, .tasks = 2, .shots = 1, .height = 8, .width = 8, .engine = engine, .inner = inner};
}

at::Tensor weights() { return at::tensor({0.2, 0.3, 0.5}, at::kDouble); }

/// The names of theta whose values differ between `a` and `b` [T, P] in some task, of a layout.
std::vector<std::string> differing(const nn::Layout& layout, const at::Tensor& a, const at::Tensor& b) {
  std::vector<std::string> names;
  for (const auto& entry : layout.entries()) {
    if (!a.narrow(-1, entry.offset, entry.size).equal(b.narrow(-1, entry.offset, entry.size))) {
      names.push_back(entry.name);
    }
  }
  return names;
}

/// The error of the derivative of `gradient` [S] along `direction` beside the central difference.
double difference_error(const Problem& problem, const at::Tensor& theta, const at::Tensor& gradient,
                        const at::Tensor& direction, const InnerOptions& inner) {
  const double expected = gradient.dot(direction).item<double>();
  const double error = std::abs(central_difference(problem, theta, direction, inner, expected) - expected);
  return error / std::max(std::abs(expected), 0.01);
}

TEST(StepNorms, HaveTheExactGradientOfCentralDifferences) {
  for (const auto& model : kModels) {
    for (const bool mamlpp : {false, true}) {
      const InnerOptions inner = three_steps(mamlpp);
      const RandomProblem random(small(model, inner));
      random.problem->weigh_outer(mamlpp ? weights() : at::Tensor());
      const auto gradient =
          exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient.mean(0);
      ASSERT_EQ(gradient.sizes(), random.theta.sizes());
      const int64_t sets = random.problem->step_values();
      EXPECT_GT(sets, 0);
      at::Tensor along_sets = at::zeros_like(random.theta);
      along_sets.narrow(0, random.network->layout().size(), sets).copy_(random_normal({sets}, 9) / 10);
      const at::Tensor along_all = random_normal(random.theta.sizes(), 8) / random.theta.norm();
      for (const at::Tensor& direction : {along_sets, along_all}) {
        EXPECT_LT(difference_error(*random.problem, random.theta, gradient, direction, inner), 1e-6)
            << model.name << " " << word_of(model.downsampling) << " " << mamlpp;
      }
    }
  }
}

TEST(StepNorms, HaveTheSameGradientInEveryMemoryModeAndByAutograd) {
  for (const auto& model : kModels) {
    expect_one_exact_gradient(small(model, three_steps(true)));
  }
}

TEST(StepNorms, OfEqualSetsAddUpToTheGradientOfOneSetThatDoesNotAdapt) {
  nn::ModelOptions one_set = kModels[0];
  one_set.batch_norm = nn::BatchNorm::batch;
  InnerOptions inner = three_steps();
  inner.norm = false;
  const RandomProblem one(small(one_set, inner));
  const RandomProblem many(small(kModels[0], inner));
  const Learner learner(*many.network, inner, at::kDouble);
  const at::Tensor theta = at::cat({one.theta, learner.norms->initial(one.theta)});
  for (const char* name : {"exact", "first_order", "partial"}) {
    const auto estimator = make_estimator({.estimator = name}, inner);
    const auto expected = estimator->estimate(*one.problem, one.theta, {}).gradient;
    at::Tensor found = estimator->estimate(*many.problem, theta, {}).gradient;
    const nn::Layout layout = learner.layout();
    for (const auto& entry : layout.entries()) {
      if (entry.name.starts_with("inner.norm.")) {
        const auto& own = layout.entry(entry.name.substr(13));
        found.narrow(1, own.offset, own.size) += found.narrow(1, entry.offset, entry.size);
      }
    }
    EXPECT_LT(relative_error(found.narrow(1, 0, one.theta.size(0)), expected), 1e-12) << name;
  }
}

TEST(StepNorms, BeforeTheLastHaveNoFirstOrderGradientUnlessTheirLossCounts) {
  const InnerOptions inner = three_steps();
  const RandomProblem random(small(kModels[0], inner));
  const auto named = [&] {
    const auto gradient = first_order_gradient(*random.problem, random.theta, inner).gradient;
    return differing(Learner(*random.network, inner, at::kDouble).layout(), gradient,
                     at::zeros_like(gradient));
  };
  EXPECT_THAT(named(), testing::Not(testing::Contains("blocks.0.norm.weight")));
  EXPECT_THAT(named(), testing::Not(testing::Contains("inner.norm.1.blocks.0.norm.weight")));
  EXPECT_THAT(named(), testing::Contains("inner.norm.2.blocks.0.norm.weight"));
  random.problem->weigh_outer(weights());
  EXPECT_THAT(named(), testing::IsSupersetOf({"blocks.0.norm.weight", "inner.norm.1.blocks.0.norm.weight",
                                              "inner.norm.2.blocks.0.norm.weight"}));
}

TEST(StepNorms, LeaveUfoUnbiased) {
  const InnerOptions inner = three_steps(true);
  const RandomProblem random(small(kModels[0], inner));
  random.problem->weigh_outer(weights());
  const auto exact =
      exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient;
  for (const Base base : {Base::first_order(), Base::last(1)}) {
    EXPECT_LT(relative_error(mean_of_ufo(*random.problem, random.theta, inner, base), exact), 1e-12);
  }
}

TEST(StepNorms, AreThoseOfTheStepBeforeForTheQuerySetAndTheLastOnesBeyondTheTrainedSteps) {
  const InnerOptions inner = three_steps();
  const RandomProblem random(small(kModels[0], inner));
  const nn::Layout layout = Learner(*random.network, inner, at::kDouble).layout();
  const auto set = [&](int64_t number) {  // its first parameter
    const auto& entry = layout.entry((number ? "inner.norm." + std::to_string(number) + "." : "") +
                                     std::string("blocks.0.norm.weight"));
    return random.theta.narrow(0, entry.offset, entry.size);
  };
  const auto& place = layout.entry("blocks.0.norm.weight");
  const int64_t after[] = {0, 0, 1, 2, 2, 2};
  for (int64_t j = 0; j <= 5; ++j) {
    const at::Tensor phi = adapt(*random.problem, random.theta, inner, j);
    for (int64_t task = 0; task < random.problem->tasks(); ++task) {
      EXPECT_TRUE(phi[task].narrow(0, place.offset, place.size).equal(set(after[j]))) << "after step " << j;
    }
  }
}

TEST(StepNorms, StandInCheckpointsUnderTheNumberOfTheirStep) {
  const auto network = nn::make_network(kModels[0], {});
  const Learner learner(*network, three_steps(true), at::kFloat);
  const nn::Layout layout = learner.layout();
  std::vector<std::string> names;
  for (const auto& entry : layout.entries()) {
    if (entry.name.starts_with("inner.norm.")) {
      names.push_back(entry.name.substr(11));
    }
  }
  EXPECT_THAT(names,
              testing::ElementsAre("1.blocks.0.norm.weight", "1.blocks.0.norm.bias", "1.blocks.1.norm.weight",
                                   "1.blocks.1.norm.bias", "2.blocks.0.norm.weight", "2.blocks.0.norm.bias",
                                   "2.blocks.1.norm.weight", "2.blocks.1.norm.bias"));
  const auto start = layout.unpack(learner.initial(1));
  for (size_t i = 0; i < start.size(); ++i) {
    const std::string& name = layout.entries()[i].name;
    if (name.starts_with("inner.norm.")) {
      EXPECT_TRUE(start[i].eq(name.ends_with("weight") ? 1 : 0).all().item<bool>()) << name;
    }
  }
}

TEST(StepNorms, GoTheGeneralWayWhereTheHeadAloneAdapts) {
  InnerOptions inner = three_steps();
  inner.adapt = Adapt::head;
  const RandomProblem random(small(kModels[0], inner));
  const auto gradient =
      exact_gradient(*random.problem, random.theta, inner, Memory::store_parameters).gradient.mean(0);
  EXPECT_LT(difference_error(*random.problem, random.theta, gradient, gradient / gradient.norm(), inner),
            1e-6);
  EXPECT_GT(gradient.narrow(0, random.network->layout().size(), random.problem->step_values())
                .norm()
                .item<double>(),
            0);
}

TEST(NormThatDoesNotAdapt, StaysWhatItIsAndHasItsGradient) {
  for (const bool learned : {false, true}) {
    for (const RatesPer per : {RatesPer::run, RatesPer::layer_and_step, RatesPer::parameter}) {
      InnerOptions inner{.steps = 2, .learning_rate = 0.3, .rates = {.per = per, .learned = learned}};
      inner.norm = false;
      const RandomProblem random(small({.filters = 4, .blocks = 2}, inner));
      const nn::Layout& layout = random.network->layout();
      const at::Tensor phi = adapt(*random.problem, random.theta, inner, inner.steps);
      EXPECT_THAT(
          differing(layout, phi, random.problem->initial(random.theta)),
          testing::ElementsAre("blocks.0.conv.weight", "blocks.1.conv.weight", "head.weight", "head.bias"));
      const auto gradient =
          exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient.mean(0);
      const at::Tensor direction = random_normal(random.theta.sizes(), 8) / random.theta.norm();
      EXPECT_LT(difference_error(*random.problem, random.theta, gradient, direction, inner), 1e-6);
      EXPECT_LT(difference_error(*random.problem, random.theta, gradient, gradient / gradient.norm(), inner),
                1e-6);
    }
  }
}

TEST(NormThatDoesNotAdapt, IsRefusedForReptile) {
  InnerOptions inner;
  inner.norm = false;
  EXPECT_THROW(make_estimator({.estimator = "reptile"}, inner), ConfigError);
  EXPECT_THROW(make_estimator({.estimator = "reptile"}, {.adapt = Adapt::head}), ConfigError);
}

}  // namespace
}  // namespace ufo::bilevel
