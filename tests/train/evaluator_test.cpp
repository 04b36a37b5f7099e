#include "small_run.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/train/device.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/predictor.h>

namespace ufo::train {
namespace {

EvaluationRequest small_request() { return {.tasks = 7, .inner = {.steps = 3, .learning_rate = 0.2}}; }

std::string complaint(const std::filesystem::path& path, const std::string& content) {
  write_file_atomically(path, content);
  try {
    load_evaluation(path);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(MeanWithInterval, Is196StandardErrors) {
  const auto result = mean_with_interval({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(result.mean, 3);
  EXPECT_DOUBLE_EQ(result.interval, 1.96 * std::sqrt(14.0 / 3) / 2);  // s^2 = (4 + 1 + 0 + 9) / 3
  EXPECT_THROW(mean_with_interval({1}), std::invalid_argument);
}

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
    std::vector<EpisodeCurves> results;
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

TEST(Ensemble, AveragesTheProbabilitiesOfItsMembers) {
  for (const char* batch_norm : {"batch", "support"}) {
    SmallRun run("conv4");
    run.options.model.batch_norm = batch_norm;
    run.build();
    const std::vector<at::Tensor> members = {run.network->initial_parameters(1),
                                             run.network->initial_parameters(2),
                                             run.network->initial_parameters(3)};
    const EvaluationRequest request = small_request();
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
          mean += predictor.probabilities(episode.query_images[0]) / 3;
        }
        const double loss = -mean.gather(1, labels.unsqueeze(1)).log().mean().item<double>();
        const double accuracy = mean.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
        const auto row = static_cast<size_t>(step), column = static_cast<size_t>(task);
        EXPECT_NEAR(curves.loss[row][column], loss, 1e-4) << batch_norm;
        EXPECT_NEAR(curves.accuracy[row][column], accuracy, 1e-6) << batch_norm;
      }
    }
  }
}

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

TEST(EvaluationFile, RoundTrip) {
  const TemporaryFolder folder;
  EvaluationResult result =
      summarize({.accuracy = {{0.2, 0.4}, {0.1 + 0.2, 0.9}}, .loss = {{1, 2}, {0.5, std::nan("")}}});
  result.split = "test";
  result.estimator = "ufo";
  result.ensemble = {400, 200};
  result.notes = {"cut to 3 classes"};
  EXPECT_EQ(result.tasks, 2);
  EXPECT_EQ(result.inner_steps, 1);
  EXPECT_DOUBLE_EQ(result.accuracy(), 0.6);
  write_file_atomically(folder.path() / "test.json", to_json(result));
  const EvaluationResult back = load_evaluation(folder.path() / "test.json");
  EXPECT_EQ(to_json(back), to_json(result));
  EXPECT_EQ(back.task_accuracies, result.task_accuracies);
  EXPECT_EQ(back.ensemble, result.ensemble);
  EXPECT_TRUE(std::isnan(back.loss_after_step[1]));
  const auto json = nlohmann::json::parse(to_json(result));
  EXPECT_EQ(json["accuracy"], result.accuracy());
  EXPECT_EQ(json["interval"], result.interval());
  EXPECT_EQ(json["transductive"], true);
}

TEST(EvaluationFile, WithoutAnEnsembleIsOfOneCheckpoint) {
  const TemporaryFolder folder;
  auto json = nlohmann::json::parse(to_json(summarize({.accuracy = {{0.2, 0.4}}, .loss = {{1, 2}}})));
  json.erase("ensemble");
  write_file_atomically(folder.path() / "test.json", json.dump());
  EXPECT_TRUE(load_evaluation(folder.path() / "test.json").ensemble.empty());
}

TEST(EvaluationFile, KeepsTheModeOfBatchNorm) {
  const TemporaryFolder folder;
  EvaluationResult result = summarize({.accuracy = {{0.2, 0.4}}, .loss = {{1, 2}}});
  result.batch_norm = "support";
  auto json = nlohmann::json::parse(to_json(result));
  EXPECT_EQ(json["batch_norm"], "support");
  EXPECT_EQ(json["transductive"], false);
  write_file_atomically(folder.path() / "test.json", json.dump());
  EXPECT_FALSE(load_evaluation(folder.path() / "test.json").transductive());
  json.erase("batch_norm");  // as files that are older than the modes
  write_file_atomically(folder.path() / "test.json", json.dump());
  EXPECT_TRUE(load_evaluation(folder.path() / "test.json").transductive());
}

TEST(EvaluationFile, RefusesOtherFiles) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "test.json";
  EXPECT_THAT(complaint(path, "{"), testing::HasSubstr("need an evaluation as a JSON object"));
  EXPECT_THAT(complaint(path, "{}"), testing::HasSubstr("it has no \"split\""));
  auto json = nlohmann::json::parse(to_json(summarize({.accuracy = {{0, 1}}, .loss = {{0, 1}}})));
  json["tasks"] = "two";
  EXPECT_THAT(complaint(path, json.dump()), testing::HasSubstr("\"tasks\" is of the wrong type"));
  json["tasks"] = 3;
  EXPECT_THAT(complaint(path, json.dump()), testing::HasSubstr("as many task_accuracies as tasks"));
  json["inner_steps"] = 5;
  EXPECT_THAT(complaint(path, json.dump()), testing::HasSubstr("inner_steps + 1 values"));
}

TEST(PairedDifference, IsTakenEpisodeByEpisode) {
  const EvaluationResult a = summarize({.accuracy = {{0.5, 0.7, 0.9}}, .loss = {{0, 0, 0}}});
  EvaluationResult b = summarize({.accuracy = {{0.4, 0.6, 0.8}}, .loss = {{0, 0, 0}}});
  EXPECT_NEAR(paired_difference(a, b).mean, 0.1, 1e-12);
  EXPECT_NEAR(paired_difference(a, b).interval, 0, 1e-12);
  b.seed = 5;
  EXPECT_THROW(paired_difference(a, b), ConfigError);
}

}  // namespace
}  // namespace ufo::train
