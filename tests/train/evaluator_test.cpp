#include "small_run.h"

#include <cmath>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/train/device.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/predictor.h>

namespace ufo::train {
namespace {

EvaluationRequest small_request() { return {.tasks = 7, .inner = {.steps = 3, .learning_rate = 0.2}}; }

TEST(Evaluator, GivesTheAdaptationCurveOfEachEpisode) {
  const SmallRun run("conv4");
  const at::Tensor theta = run.network->initial_parameters(1);
  const auto curves = evaluate_episodes(*run.network, theta, *run.validation_sampler, small_request());
  ASSERT_EQ(curves.accuracy.size(), 4u);
  const auto batch = run.validation_sampler->batch(data::Split::test, 0, 7);
  const auto problem = make_problem(*run.network, batch, theta, bilevel::Engine::hand_written);
  const auto expected = bilevel::adaptation_curve(problem, theta, small_request().inner);
  for (size_t step = 0; step < 4; ++step) {
    ASSERT_EQ(curves.loss[step].size(), 7u);
    EXPECT_TRUE(at::tensor(curves.loss[step]).allclose(expected[step].loss.to(at::kDouble), 1e-4, 1e-5));
  }
}

TEST(Evaluator, HasTheSameBitsForAnyNumberOfThreads) {
  for (const char* model : {"mlp", "conv4"}) {
    const SmallRun run(model);
    const at::Tensor theta = run.network->initial_parameters(1);
    const int threads = at::get_num_threads();
    std::vector<run::EpisodeCurves> results;
    for (int count : {1, 2, 3}) {
      at::set_num_threads(count);
      results.push_back(evaluate_episodes(*run.network, theta, *run.validation_sampler, small_request()));
    }
    at::set_num_threads(threads);
    EXPECT_EQ(results[0].loss, results[1].loss) << model;
    EXPECT_EQ(results[0].loss, results[2].loss) << model;
    EXPECT_EQ(results[0].accuracy, results[1].accuracy) << model;
  }
}

TEST(Evaluator, RefusesParametersThatAreNotFiniteByBothEngines) {
  for (const char* model : {"mlp", "conv4"}) {
    const SmallRun run(model);
    for (const auto engine : {bilevel::Engine::hand_written, bilevel::Engine::autograd}) {
      EvaluationRequest request = small_request();
      request.engine = engine;
      at::Tensor theta = run.network->initial_parameters(1);
      theta[0] = NAN;
      const auto evaluate = [&] { evaluate_episodes(*run.network, theta, *run.validation_sampler, request); };
      EXPECT_THAT(evaluate, testing::ThrowsMessage<std::runtime_error>(
                                testing::HasSubstr("episode 0 of the test split: after 0 inner steps")))
          << model;
      EXPECT_THROW(evaluate_ensemble(*run.network, {run.network->initial_parameters(1), theta},
                                     *run.validation_sampler, request),
                   std::runtime_error);
    }
  }
}

TEST(Evaluator, RefusesAnInnerLoopThatDiverges) {
  const SmallRun run("conv4");
  for (const auto engine : {bilevel::Engine::hand_written, bilevel::Engine::autograd}) {
    EvaluationRequest request = small_request();
    request.engine = engine;
    request.inner.learning_rate = INFINITY;
    EXPECT_THROW(
        evaluate_episodes(*run.network, run.network->initial_parameters(1), *run.validation_sampler, request),
        std::runtime_error);
  }
}

TEST(Evaluator, StopsWhereItIsAskedTo) {
  const SmallRun run;
  EvaluationRequest request = small_request();
  request.should_stop = [] { return true; };
  EXPECT_THROW(
      evaluate_episodes(*run.network, run.network->initial_parameters(1), *run.validation_sampler, request),
      EvaluationStopped);
}

class EnsembleBy : public testing::TestWithParam<run::EnsembleMean> {};

TEST_P(EnsembleBy, AveragesWhatItsMembersGive) {
  const bool by_logits = GetParam() == run::EnsembleMean::logits;
  for (const auto batch_norm : {nn::BatchNorm::batch, nn::BatchNorm::support}) {
    SmallRun run("conv4");
    run.options.model.batch_norm = batch_norm;
    run.build();
    const std::vector<at::Tensor> members = {run.network->initial_parameters(1),
                                             run.network->initial_parameters(2),
                                             run.network->initial_parameters(3)};
    EvaluationRequest request = small_request();
    request.ensemble_mean = GetParam();
    const auto curves = evaluate_ensemble(*run.network, members, *run.validation_sampler, request);
    for (int64_t task = 0; task < request.tasks; ++task) {
      const auto episode = run.validation_sampler->batch(data::Split::test, static_cast<uint64_t>(task), 1);
      const at::Tensor labels = episode.query_labels[0];
      for (int64_t step = 0; step <= request.inner.steps; ++step) {
        at::Tensor mean = at::zeros({labels.size(0), 3});
        for (const at::Tensor& member : members) {
          bilevel::InnerOptions inner = request.inner;
          inner.steps = step;
          const Predictor predictor(*run.network, member, episode.support_images[0],
                                    episode.support_labels[0], inner, bilevel::Engine::autograd);
          const at::Tensor probabilities = predictor.probabilities(episode.query_images[0]);
          mean +=
              (by_logits ? probabilities.log() : probabilities) / 3;  // logits but for a constant each image
        }
        mean = by_logits ? mean.softmax(1) : mean;
        const double loss = -mean.gather(1, labels.unsqueeze(1)).log().mean().item<double>();
        const double accuracy = mean.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
        const auto row = static_cast<size_t>(step), column = static_cast<size_t>(task);
        EXPECT_NEAR(curves.loss[row][column], loss, 1e-4) << word_of(batch_norm);
        EXPECT_NEAR(curves.accuracy[row][column], accuracy, 1e-6) << word_of(batch_norm);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EitherMean, EnsembleBy,
                         testing::Values(run::EnsembleMean::probabilities, run::EnsembleMean::logits),
                         [](const auto& info) { return word_of(info.param); });

TEST(Ensemble, OfOneIsItsMember) {
  const SmallRun run("conv4");
  const at::Tensor theta = run.network->initial_parameters(1);
  const auto one = evaluate_ensemble(*run.network, {theta}, *run.validation_sampler, small_request());
  const auto alone = evaluate_episodes(*run.network, theta, *run.validation_sampler, small_request());
  EXPECT_EQ(one.accuracy, alone.accuracy);
  for (size_t step = 0; step < one.loss.size(); ++step) {
    EXPECT_TRUE(at::tensor(one.loss[step]).allclose(at::tensor(alone.loss[step]), 1e-4, 1e-5));
  }
  EXPECT_THROW(evaluate_ensemble(*run.network, {}, *run.validation_sampler, small_request()),
               std::invalid_argument);
}

}  // namespace
}  // namespace ufo::train
