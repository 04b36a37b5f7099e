// What the head begins as, held against central differences and against autograd through the start.

#include "central_difference.h"
#include "properties.h"
#include "random_problem.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

using nn::Head;

constexpr Head kStarts[] = {Head::zero, Head::shared, Head::prototype};

const nn::ModelOptions kModels[] = {
    {.filters = 5, .blocks = 2},
    {.filters = 4, .blocks = 2, .downsampling = nn::Downsampling::max_pool},
    {.filters = 4, .blocks = 2, .batch_norm = nn::BatchNorm::support},
    {.name = "mlp", .hidden = {12, 10}},
    {.name = "resnet12", .widths = {3, 4}},
};

nn::ModelOptions with_head(nn::ModelOptions model, Head head) {
  model.head = head;
  return model;
}

std::string name_of(const nn::ModelOptions& model, const InnerOptions& inner) {
  return model.name + " " + word_of(model.downsampling) + " " + word_of(model.batch_norm) + " " +
         word_of(model.head) + " " + word_of(inner.adapt);
}

/// A small problem, for every head is taken with every network.
RandomProblemOptions small(const nn::ModelOptions& model, const InnerOptions& inner,
                           Engine engine = Engine::hand_written) {
  return {.model = model, .tasks = 2, .height = 8, .width = 8, .engine = engine, .inner = inner};
}

TEST(Heads, HaveTheExactGradientOfCentralDifferences) {
  for (const auto& network : kModels) {
    for (const Head head : kStarts) {
      for (const Adapt adapts : {Adapt::all, Adapt::head, Adapt::body}) {
        const auto model = with_head(network, head);
        const InnerOptions inner{.steps = 2, .learning_rate = 0.2, .adapt = adapts};
        const RandomProblem random(small(model, inner));
        const auto gradient =
            exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations)
                .gradient.mean(0);
        ASSERT_EQ(gradient.sizes(), random.theta.sizes());
        const at::Tensor direction = random_normal(random.theta.sizes(), 8) / random.theta.norm();
        const double expected = gradient.dot(direction).item<double>();
        EXPECT_NEAR(central_difference(*random.problem, random.theta, direction, inner, expected), expected,
                    1e-6 * std::max(std::abs(expected), 0.01))
            << name_of(model, inner);
      }
    }
  }
}

TEST(Heads, HaveTheMetaGradientsOfAutogradThroughTheStart) {
  const EstimatorOptions all_estimators[] = {
      {.estimator = "exact"}, {.estimator = "first_order"}, {.estimator = "partial", .base = Base::last(0)}};
  for (const auto& network : kModels) {
    for (const Head head : kStarts) {
      for (const Adapt adapts : {Adapt::all, Adapt::head}) {
        const auto model = with_head(network, head);
        const InnerOptions inner{.steps = 2, .learning_rate = 0.2, .adapt = adapts};
        const RandomProblem random(small(model, inner)), autograd(small(model, inner, Engine::autograd));
        for (const EstimatorOptions& options : all_estimators) {
          const auto estimator = make_estimator(options, inner);
          const auto found = estimator->estimate(*random.problem, random.theta, {});
          const auto expected = estimator->estimate(*autograd.problem, autograd.theta, {});
          EXPECT_LT(relative_error(found.gradient, expected.gradient), 1e-9)
              << options.estimator << " " << name_of(model, inner);
        }
      }
    }
  }
}

TEST(Heads, LeaveUfoUnbiased) {
  for (const Head head : kStarts) {
    const InnerOptions inner{.steps = 2, .learning_rate = 0.2};
    const RandomProblem random(small(with_head(kModels[0], head), inner));
    const auto exact =
        exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient;
    for (const Base base : {Base::first_order(), Base::last(1)}) {
      EXPECT_LT(relative_error(mean_of_ufo(*random.problem, random.theta, inner, base), exact), 1e-12)
          << word_of(head);
    }
  }
}

TEST(Heads, OfPrototypesHaveTheGradientOfProtoNetWithoutAnInnerStep) {
  const InnerOptions inner{.steps = 0};
  for (const auto& network : kModels) {
    const auto model = with_head(network, Head::prototype);
    const RandomProblem random(small(model, inner)), autograd(small(model, inner, Engine::autograd));
    at::Tensor gradients[2];
    size_t i = 0;
    for (const char* estimator : {"first_order", "exact"}) {
      const auto found =
          make_estimator({.estimator = estimator}, inner)->estimate(*random.problem, random.theta, {});
      EXPECT_EQ(found.gradient_calls, 2);
      gradients[i++] = found.gradient;
    }
    EXPECT_TRUE(at::equal(gradients[0], gradients[1])) << "all estimators are one";
    EXPECT_LT(
        relative_error(gradients[0], first_order_gradient(*autograd.problem, autograd.theta, inner).gradient),
        1e-9);
    const at::Tensor mean = gradients[0].mean(0),
                     direction = random_normal(mean.sizes(), 8) / random.theta.norm();
    const double expected = mean.dot(direction).item<double>();
    EXPECT_NEAR(central_difference(*random.problem, random.theta, direction, inner, expected), expected,
                1e-6 * std::max(std::abs(expected), 0.01))
        << model.name;
  }
}

TEST(Heads, OfPrototypesTellClassesApartBySquaredDistances) {
  const RandomProblem random(small(with_head({.name = "mlp", .hidden = {6}}, Head::prototype), {}));
  const at::Tensor phi = random.problem->initial(random.theta);
  const nn::Layout& layout = random.network->layout();
  const at::Tensor parameters = random.problem->parameters(random.theta, phi);
  const auto images = [](int64_t each, uint64_t seed) {
    return random_normal({2, 3 * each, 8, 8, 1}, seed).permute({0, 1, 4, 2, 3});
  };
  const at::Tensor support = random.network->head_inputs(parameters, images(2, 3)),
                   query = random.network->head_inputs(parameters, images(2, 4));
  const at::Tensor mu = support.view({2, 3, 2, 6}).mean(2);
  const at::Tensor distance = (query.unsqueeze(2) - mu.unsqueeze(1)).square().sum(-1);
  EXPECT_LT(
      relative_error(random.problem->query_logits(random.theta, phi).softmax(-1), (-distance).softmax(-1)),
      1e-12);
  EXPECT_EQ(phi.size(1), layout.size());
}

TEST(Heads, TakeOfThetaARowOrNothing) {
  const auto network =
      nn::make_network({.filters = 4, .blocks = 2, .downsampling = nn::Downsampling::max_pool}, {.ways = 7});
  const auto head_of = [&](Head head, int64_t classes) {
    std::vector<std::string> shapes;
    const nn::Layout layout = Learner(*network, {}, at::kFloat, head, classes).layout();
    for (const auto& entry : layout.entries()) {
      if (entry.name.starts_with("head.")) {
        shapes.push_back(entry.name + " " + c10::str(at::IntArrayRef(entry.shape)));
      }
    }
    return shapes;
  };
  EXPECT_THAT(head_of(Head::linear, 0), testing::ElementsAre("head.weight [7, 196]", "head.bias [7]"));
  EXPECT_THAT(head_of(Head::shared, 0), testing::ElementsAre("head.weight [1, 196]", "head.bias [1]"));
  EXPECT_THAT(head_of(Head::zero, 0), testing::IsEmpty());
  EXPECT_THAT(head_of(Head::prototype, 0), testing::IsEmpty());
  EXPECT_THAT(head_of(Head::prototype, 64), testing::ElementsAre("head.weight [64, 196]", "head.bias [64]"));
}

TEST(Heads, ThatAreNotLinearServeAnyNumberOfWays) {
  for (const Head head : kStarts) {
    const auto model = with_head(kModels[1], head);
    RandomProblemOptions options = small(model, {.steps = 2, .learning_rate = 0.2});
    const RandomProblem trained(options);
    options.ways = 5;
    const RandomProblem other(options);
    EXPECT_EQ(trained.theta.size(0), other.theta.size(0));
    EXPECT_FALSE(Learner(*other.network, options.inner, at::kDouble, head).fixes_ways());
    const auto curve = adaptation_curve(*other.problem, trained.theta, options.inner);
    EXPECT_TRUE(curve.back().loss.isfinite().all().item<bool>());
    EXPECT_LT(curve.back().loss.sub(curve.front().loss).abs().min().item<double>(), 10);
  }
}

TEST(Heads, ThatAreSharedBeginWithTheSameRowForAllClasses) {
  const RandomProblem random(small(with_head(kModels[1], Head::shared), {}));
  const at::Tensor logits = random.problem->query_logits(random.theta, random.problem->initial(random.theta));
  EXPECT_LT((logits - logits.narrow(2, 0, 1)).abs().max().item<double>(), 1e-12);
}

TEST(Heads, ThatAreSharedLearnAsThoseFromZeroDo) {
  const InnerOptions inner{.steps = 3, .learning_rate = 0.2, .weight_decay = 0.1};
  const RandomProblem shared(small(with_head(kModels[1], Head::shared), inner)),
      zero(small(with_head(kModels[1], Head::zero), inner));
  const int64_t body = zero.theta.size(0);
  const at::Tensor theta = shared.theta.slice(0, 0, body);
  for (const char* estimator : {"exact", "first_order", "partial"}) {
    const auto made = make_estimator({.estimator = estimator}, inner);
    const auto found = made->estimate(*shared.problem, shared.theta, {}),
               expected = made->estimate(*zero.problem, theta, {});
    EXPECT_LT(relative_error(found.gradient.slice(1, 0, body), expected.gradient), 1e-9);
    EXPECT_EQ(found.gradient.slice(1, body).abs().max().item<double>(), 0) << "no softmax sees the row";
    EXPECT_LT(relative_error(found.outer.loss, expected.outer.loss), 1e-12);
  }
}

TEST(Heads, OfAClassifierAreLeftAloneByItsEvaluation) {
  const auto network = nn::make_network({.filters = 4, .blocks = 2}, {.height = 8, .width = 8, .ways = 3});
  const Learner learner(*network, {.steps = 0}, at::kDouble, Head::prototype, 9);
  const at::Tensor theta = learner.initial(1).to(at::kDouble);
  const auto images = random_normal({1, 6, 8, 8, 1}, 3).permute({0, 1, 4, 2, 3});
  const auto labels = at::arange(3).repeat_interleave(2).view({1, 6});
  const ClassificationProblem problem(learner, images, labels, images, labels);
  const at::Tensor gradient = first_order_gradient(problem, theta, {.steps = 0}).gradient;
  ASSERT_EQ(gradient.size(1), theta.size(0));
  const int64_t body = network->layout().start_of_last(0);
  EXPECT_EQ(gradient.slice(1, body).abs().max().item<double>(), 0);
  EXPECT_GT(gradient.slice(1, 0, body).abs().max().item<double>(), 0);
}

TEST(Heads, GiveMethodsTheirNames) {
  const auto name = [](const char* estimator, const InnerOptions& inner, Head head) {
    return method_name({.estimator = estimator}, inner, head);
  };
  EXPECT_EQ(name("exact", {.steps = 0}, Head::prototype), "ProtoNet");
  EXPECT_EQ(name("first_order", {.steps = 0}, Head::prototype), "ProtoNet");
  EXPECT_EQ(name("exact", {}, Head::prototype), "ProtoMAML");
  EXPECT_EQ(name("first_order", {}, Head::prototype), "First-order ProtoMAML");
  EXPECT_EQ(name("exact", {.adapt = Adapt::head}, Head::prototype), "ANIL + prototype head");
  EXPECT_EQ(name("exact", {}, Head::shared), "MAML + shared head");
  EXPECT_EQ(name("first_order", {}, Head::zero), "FOMAML + zero head");
  EXPECT_EQ(name("classifier", {.steps = 0}, Head::prototype), "Nearest class mean");
  EXPECT_EQ(name("classifier", {.steps = 0}, Head::zero), "Logistic regression");
}

}  // namespace
}  // namespace ufo::bilevel
