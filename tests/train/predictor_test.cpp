#include "small_run.h"

#include <cmath>

#include <gtest/gtest.h>

#include <ufo/bilevel/inner_loop.h>
#include <ufo/train/device.h>
#include <ufo/train/predictor.h>

namespace ufo::train {
namespace {

constexpr bilevel::InnerOptions kInner{.steps = 3, .learning_rate = 0.2};

/// One episode of a small run under a mode of batch norm.
struct OneEpisode {
  SmallRun run{"conv4"};
  episode::EpisodeBatch batch;
  at::Tensor theta;
  std::unique_ptr<Predictor> predictor;

  explicit OneEpisode(nn::BatchNorm batch_norm) {
    run.options.model.batch_norm = batch_norm;
    run.build();
    batch = run.validation_sampler->batch(data::Split::test, 0, 1);
    theta = run.network->initial_parameters(1);
    predictor = std::make_unique<Predictor>(*run.network, theta, batch.support_images[0],
                                            batch.support_labels[0], kInner, bilevel::Engine::hand_written);
  }

  at::Tensor query() const { return batch.query_images[0]; }
};

TEST(Predictor, ClassifiesAsTheEvaluationDoes) {
  for (const auto mode : {nn::BatchNorm::batch, nn::BatchNorm::support}) {
    const OneEpisode episode(mode);
    const auto problem =
        make_problem(*episode.run.network, episode.batch, episode.theta, bilevel::Engine::hand_written);
    const auto expected = bilevel::adaptation_curve(problem, episode.theta, kInner).back();
    const at::Tensor probabilities = episode.predictor->probabilities(episode.query());
    EXPECT_TRUE(at::allclose(probabilities.sum(1), at::ones({probabilities.size(0)})));
    const at::Tensor labels = episode.batch.query_labels[0];
    const at::Tensor likelihood = probabilities.gather(1, labels.unsqueeze(1));
    EXPECT_NEAR(-likelihood.log().mean().item<double>(), expected.loss.item<double>(), 1e-5) << word_of(mode);
    EXPECT_EQ(probabilities.argmax(1).eq(labels).to(at::kFloat).mean().item<float>(),
              expected.accuracy.item<float>());
  }
}

TEST(Predictor, ClassifiesAnImageByItselfUnderSupportStatisticsAlone) {
  const auto difference = [](nn::BatchNorm mode) {
    const OneEpisode episode(mode);
    const at::Tensor together = episode.predictor->probabilities(episode.query())[0];
    const at::Tensor alone = episode.predictor->probabilities(episode.query().narrow(0, 0, 1))[0];
    return (together - alone).abs().max().item<double>();
  };
  EXPECT_LT(difference(nn::BatchNorm::support), 1e-6);
  EXPECT_GT(difference(nn::BatchNorm::batch), 1e-3);
}

TEST(Predictor, RefusesWhatIsNotFinite) {
  OneEpisode episode(nn::BatchNorm::support);
  EXPECT_THROW(episode.predictor->probabilities(episode.query() * INFINITY), std::runtime_error);
  for (const auto engine : {bilevel::Engine::hand_written, bilevel::Engine::autograd}) {
    at::Tensor theta = episode.theta.clone();
    theta[0] = NAN;
    EXPECT_THROW(Predictor(*episode.run.network, theta, episode.batch.support_images[0],
                           episode.batch.support_labels[0], kInner, engine),
                 std::runtime_error);
  }
}

TEST(Predictor, GoesOnFromParametersThatWereAdaptedBefore) {
  for (const auto mode : {nn::BatchNorm::batch, nn::BatchNorm::support}) {
    const OneEpisode episode(mode);
    const Predictor again(*episode.run.network, episode.predictor->parameters(),
                          episode.batch.support_images[0]);
    EXPECT_TRUE(
        at::equal(again.probabilities(episode.query()), episode.predictor->probabilities(episode.query())));
  }
}

}  // namespace
}  // namespace ufo::train
