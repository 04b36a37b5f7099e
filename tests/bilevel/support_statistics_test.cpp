#include "random_problem.h"

#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>

// Batch norm by the statistics of the support set (model.batch_norm = nn::BatchNorm::support).

namespace ufo::bilevel {
namespace {

nn::ModelOptions by_support(nn::Downsampling downsampling) {
  return {.filters = 5,
          .blocks = downsampling == nn::Downsampling::stride ? 3 : 2,
          .downsampling = downsampling,
          .batch_norm = nn::BatchNorm::support};
}

/// The data of a RandomProblem, drawn again.
struct Data {
  at::Tensor support, query, labels;

  explicit Data(const RandomProblemOptions& o)
      : support(images(o, o.shots, 3)),
        query(images(o, o.queries, 4)),
        labels(at::arange(o.ways).repeat_interleave(o.queries).expand({o.tasks, o.ways * o.queries})) {}

  static at::Tensor images(const RandomProblemOptions& o, int64_t a_class, uint64_t seed) {
    return random_normal({o.tasks, o.ways * a_class, o.height, o.width, o.channels}, seed)
        .permute({0, 1, 4, 2, 3});
  }
};

/// The statistics of `x` [S, C, H, W] by channel, each [1, C, 1, 1].
struct ChannelStatistics {
  at::Tensor mean, variance;

  explicit ChannelStatistics(const at::Tensor& x)
      : mean(x.mean({0, 2, 3}, true)), variance((x - mean).square().mean({0, 2, 3}, true)) {}
};

/// The logits of one task's query images, written out for one network: two streams of images, of which that
/// of the support images gives both their statistics. `p` are the parameters by layer in PyTorch's shapes.
at::Tensor direct_logits(const nn::ModelOptions& model, const std::vector<at::Tensor>& p, at::Tensor support,
                         at::Tensor query) {
  const bool pooled = model.downsampling == nn::Downsampling::max_pool;
  const auto channels = [](const at::Tensor& t) { return t.view({1, -1, 1, 1}); };
  for (int64_t block = 0; block < model.blocks; ++block) {
    const at::Tensor *w = &p[4 * block], *bias = w + 1, *scale = w + 2, *shift = w + 3;
    const int64_t stride = pooled ? 1 : 2;
    support = at::conv2d(support, *w, *bias, stride, 1);
    query = at::conv2d(query, *w, *bias, stride, 1);
    const ChannelStatistics by(support);
    for (at::Tensor* x : {&support, &query}) {
      const at::Tensor normalised = (*x - by.mean) / (by.variance + model.batch_norm_eps).sqrt();
      *x = at::relu(normalised * channels(*scale) + channels(*shift));
      *x = pooled ? at::max_pool2d(*x, 2) : *x;
    }
  }
  const at::Tensor features = pooled ? query.flatten(1) : query.mean({2, 3});
  return at::linear(features, p[p.size() - 2], p[p.size() - 1]);
}

at::Tensor direct_loss(const nn::ModelOptions& model, const nn::Network& network, const at::Tensor& phi,
                       const Data& data) {
  at::Tensor sum = at::zeros({}, phi.options());
  for (int64_t task = 0; task < phi.size(0); ++task) {
    const at::Tensor logits =
        direct_logits(model, network.layout().unpack(phi[task]), data.support[task], data.query[task]);
    sum = sum + cross_entropy(logits.unsqueeze(0), data.labels[task].unsqueeze(0)).squeeze(0);
  }
  return sum;
}

/// By the kind of downsampling.
class SupportStatistics : public testing::TestWithParam<nn::Downsampling> {
 protected:
  const nn::ModelOptions model = by_support(GetParam());
};

TEST_P(SupportStatistics, OuterGradientIsThatOfTheDirectFormula) {
  const RandomProblemOptions options{.model = model};
  const RandomProblem random(options);
  const at::Tensor phi = random.theta + 0.1 * random_normal({options.tasks, random.theta.size(0)}, 7);
  for (const Engine engine : {Engine::hand_written, Engine::autograd}) {
    const RandomProblem same({.model = model, .engine = engine});
    const OuterGradient outer = same.problem->outer_gradient(same.theta, phi);
    c10::AutoGradMode enable(true);
    const at::Tensor leaf = phi.detach().requires_grad_();
    const at::Tensor loss = direct_loss(model, *random.network, leaf, Data(options));
    EXPECT_NEAR(outer.value.loss.sum().item<double>(), loss.item<double>(), 1e-11);
    EXPECT_LT(relative_error(outer.phi, torch::autograd::grad({loss}, {leaf})[0]), 1e-10);
  }
}

TEST_P(SupportStatistics, OuterGradientAgreesWithCentralDifferences) {
  const RandomProblem random({.model = model});
  const at::Tensor phi = random.problem->initial(random.theta).contiguous();
  const at::Tensor gradient = random.problem->outer_gradient(random.theta, phi).phi;
  const auto loss_at = [&](const at::Tensor& at) {
    return random.problem->outer_value(random.theta, at).loss.sum().item<double>();
  };
  for (uint64_t seed = 10; seed < 14; ++seed) {
    const at::Tensor direction = random_normal(phi.sizes(), seed);
    const double slope = (gradient * direction).sum().item<double>();
    double error = std::numeric_limits<double>::infinity();
    for (const double h : {1e-6, 1e-7, 1e-8}) {  // a ReLU or a largest pixel may change within a step
      const double rise = loss_at(phi + h * direction) - loss_at(phi - h * direction);
      error = std::min(error, std::abs(rise / (2 * h) - slope));
    }
    EXPECT_LT(error, 1e-6 * std::abs(slope) + 1e-7);
  }
}

TEST_P(SupportStatistics, AQueryImageIsClassifiedByItself) {
  const RandomProblemOptions options{.model = model};
  const Data data(options);
  at::Tensor changed = data.query.clone();
  changed.narrow(1, 1, changed.size(1) - 1).mul_(3).add_(1);
  const auto first_image = [&](const nn::ModelOptions& options, const at::Tensor& query) {
    const RandomProblem random({.model = options});
    return random.network->query_logits(random.problem->initial(random.theta), query, data.support)
        .select(1, 0);
  };
  EXPECT_TRUE(first_image(model, data.query).allclose(first_image(model, changed), 1e-12, 1e-13));
  EXPECT_TRUE(
      first_image(model, data.query).allclose(first_image(model, data.query.narrow(1, 0, 1)), 1e-12, 1e-13));
  nn::ModelOptions batch = model;
  batch.batch_norm = nn::BatchNorm::batch;
  EXPECT_GT(relative_error(first_image(batch, data.query), first_image(batch, changed)), 1e-2);
}

TEST_P(SupportStatistics, OfTheSupportImagesThemselvesAreThoseOfTheBatch) {
  const RandomProblem random({.model = model});
  const Data data(RandomProblemOptions{.model = model});
  const at::Tensor phi = random.problem->initial(random.theta);
  EXPECT_LT(relative_error(random.network->query_logits(phi, data.support, data.support),
                           random.network->logits(phi, data.support)),
            1e-12);
}

INSTANTIATE_TEST_SUITE_P(Networks, SupportStatistics,
                         testing::Values(nn::Downsampling::stride, nn::Downsampling::max_pool),
                         [](const auto& info) { return word_of(info.param); });

TEST(BatchNormMode, IsTheSameForANetworkWithoutBatchNorm) {
  const InnerOptions inner{.steps = 2, .learning_rate = 0.4};
  at::Tensor gradients[2];
  for (const bool support : {false, true}) {
    const RandomProblem random(
        {.model = {.name = "mlp",
                   .batch_norm = support ? nn::BatchNorm::support : nn::BatchNorm::batch,
                   .hidden = {8, 7}}});
    EXPECT_EQ(random.network->batch_norm_mode(), nn::BatchNorm::none);
    gradients[support] =
        exact_gradient(*random.problem, random.theta, inner, Memory::store_linearizations).gradient;
  }
  EXPECT_TRUE(at::equal(gradients[0], gradients[1]));
}

TEST(BatchNormMode, IsRefusedWhereAnOptionCannotBeIt) {
  EXPECT_THROW(RandomProblem({.model = {.batch_norm = nn::BatchNorm::none}}), ConfigError);
}

}  // namespace
}  // namespace ufo::bilevel
