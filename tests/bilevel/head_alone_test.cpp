// Where the head alone adapts, the features are made once (ANIL). Held against the general way, in which the
// body has the rate 0 and autograd differentiates all of the network.

#include "random_problem.h"

#include <gtest/gtest.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

const nn::ModelOptions kModels[] = {
    {.filters = 6},
    {.filters = 5, .blocks = 2, .downsampling = nn::Downsampling::max_pool},
    {.filters = 5, .blocks = 2, .batch_norm = nn::BatchNorm::support},
};

InnerOptions head_alone(const InnerRateOptions& rates = {}) {
  return {.steps = 3, .learning_rate = 0.5, .rates = rates, .adapt = Adapt::head};
}

struct Both {
  RandomProblem quick, general;
  explicit Both(const nn::ModelOptions& model, const InnerOptions& inner)
      : quick({.model = model, .inner = inner}),
        general({.model = model, .engine = Engine::autograd, .inner = inner}) {}
};

TEST(HeadAlone, KeepsTheHeadAloneAndGivesTheSameNetwork) {
  const InnerOptions inner = head_alone();
  const Both both(kModels[0], inner);
  const at::Tensor phi = adapt(*both.quick.problem, both.quick.theta, inner, inner.steps);
  EXPECT_EQ(phi.size(1), both.quick.theta.size(0) - both.quick.network->layout().start_of_last(0));
  EXPECT_LT(relative_error(both.quick.problem->parameters(both.quick.theta, phi),
                           adapt(*both.general.problem, both.general.theta, inner, inner.steps)),
            1e-12);
}

TEST(HeadAlone, HasTheMetaGradientsOfTheGeneralWay) {
  const InnerRateOptions all_rates[] = {
      {}, {.per = RatesPer::layer_and_step, .learned = true}, {.per = RatesPer::parameter, .learned = true}};
  for (const auto& model : kModels) {
    for (const auto& rates : all_rates) {
      const InnerOptions inner = head_alone(rates);
      const Both both(model, inner);
      for (const EstimatorOptions& options :
           {EstimatorOptions{.estimator = "exact"}, EstimatorOptions{.estimator = "first_order"},
            EstimatorOptions{.estimator = "partial", .base = Base::last(0)},
            EstimatorOptions{.estimator = "exact", .memory = Memory::recompute}}) {
        const auto estimator = make_estimator(options, inner);
        const auto found = estimator->estimate(*both.quick.problem, both.quick.theta, {});
        const auto expected = estimator->estimate(*both.general.problem, both.general.theta, {});
        EXPECT_LT(relative_error(found.gradient, expected.gradient), 1e-10)
            << options.estimator << " " << word_of(model.downsampling) << " " << word_of(model.batch_norm)
            << " " << word_of(rates.per);
        EXPECT_LT(relative_error(found.outer.loss, expected.outer.loss), 1e-12);
      }
    }
  }
}

TEST(HeadAlone, CountsAllQueryLossesAsTheGeneralWayDoes) {
  const InnerOptions inner = head_alone();
  const Both both(kModels[0], inner);
  for (const auto* random : {&both.quick, &both.general}) {
    random->problem->weigh_outer(at::tensor({0.2, 0.3, 0.5}, at::kDouble));
  }
  for (const char* name : {"exact", "first_order"}) {
    const auto estimator = make_estimator({.estimator = name}, inner);
    EXPECT_LT(relative_error(estimator->estimate(*both.quick.problem, both.quick.theta, {}).gradient,
                             estimator->estimate(*both.general.problem, both.general.theta, {}).gradient),
              1e-10);
  }
}

TEST(HeadAlone, SeesWhenThetaWasChangedInPlace) {
  const InnerOptions inner = head_alone();
  const Both both(kModels[0], inner);
  at::Tensor theta = both.quick.theta.clone();
  const auto loss = [&](const RandomProblem& random) {
    return random.problem->outer_value(theta, random.problem->initial(theta)).loss;
  };
  const at::Tensor before = loss(both.quick);
  theta.mul_(0.9);
  EXPECT_FALSE(at::equal(loss(both.quick), before));
  EXPECT_LT(relative_error(loss(both.quick), loss(both.general)), 1e-12);
}

TEST(HeadAlone, HasTheSameCurveInFloatAndManyTasks) {
  const InnerOptions inner = head_alone();
  const RandomProblem quick({.model = {.filters = 8}, .tasks = 5, .dtype = at::kFloat, .inner = inner}),
      general({.model = {.filters = 8},
               .tasks = 5,
               .dtype = at::kFloat,
               .engine = Engine::autograd,
               .inner = inner});
  const auto found = adaptation_curve(*quick.problem, quick.theta, inner);
  const auto expected = adaptation_curve(*general.problem, general.theta, inner);
  for (size_t step = 0; step < found.size(); ++step) {
    EXPECT_LT(relative_error(found[step].loss, expected[step].loss), 1e-4);
    EXPECT_TRUE(at::equal(found[step].accuracy, expected[step].accuracy));
  }
}

}  // namespace
}  // namespace ufo::bilevel
