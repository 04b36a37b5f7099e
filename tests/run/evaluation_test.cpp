#include "support/temporary_folder.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/run/evaluation.h>

namespace ufo::run {
namespace {

std::string complaint(const std::filesystem::path& path, const std::string& content) {
  write_file_atomically(path, content);
  try {
    load_evaluation(path);
  } catch (const UserError& error) {
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

TEST(EvaluationFile, RoundTrip) {
  const TemporaryFolder folder;
  EvaluationResult result =
      summarize({.accuracy = {{0.2, 0.4}, {0.1 + 0.2, 0.9}}, .loss = {{1, 2}, {0.5, std::nan("")}}});
  result.split = "test";
  result.estimator = "ufo";
  result.ensemble = {400, 200};
  result.ensemble_mean = EnsembleMean::logits;
  result.notes = {"cut to 3 classes"};
  EXPECT_EQ(result.tasks, 2);
  EXPECT_EQ(result.inner_steps, 1);
  EXPECT_DOUBLE_EQ(result.accuracy(), 0.6);
  write_file_atomically(folder.path() / "test.json", to_json(result));
  const EvaluationResult back = load_evaluation(folder.path() / "test.json");
  EXPECT_EQ(to_json(back), to_json(result));
  EXPECT_EQ(back.task_accuracies, result.task_accuracies);
  EXPECT_EQ(back.ensemble, result.ensemble);
  EXPECT_EQ(back.ensemble_mean, EnsembleMean::logits);
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
  json.erase("ensemble_mean");
  write_file_atomically(folder.path() / "test.json", json.dump());
  EXPECT_TRUE(load_evaluation(folder.path() / "test.json").ensemble.empty());
  EXPECT_EQ(load_evaluation(folder.path() / "test.json").ensemble_mean, EnsembleMean::probabilities);
}

TEST(EvaluationFile, KeepsTheModeOfBatchNorm) {
  const TemporaryFolder folder;
  EvaluationResult result = summarize({.accuracy = {{0.2, 0.4}}, .loss = {{1, 2}}});
  result.batch_norm = nn::BatchNorm::support;
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
  EXPECT_THAT(complaint(path, json.dump()),
              testing::HasSubstr("evaluation: tasks in " + path.string() + ": need an integer, got \"two\""));
  json["tasks"] = 3;
  EXPECT_THAT(complaint(path, json.dump()), testing::HasSubstr("as many task_accuracies as tasks"));
  json["inner_steps"] = 5;
  EXPECT_THAT(complaint(path, json.dump()), testing::HasSubstr("inner_steps + 1 values"));
}

TEST(EvaluationFile, RefusesNumbersThatAnEvaluationCannotHave) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "test.json";
  const auto good = nlohmann::json::parse(to_json(summarize({.accuracy = {{0, 1}}, .loss = {{0, 1}}})));
  ASSERT_EQ(complaint(path, good.dump()), "");
  const std::vector<std::pair<std::string, nlohmann::json>> bad = {{"ways", 1e300},
                                                                   {"ways", 5.9},
                                                                   {"ways", -3},
                                                                   {"seed", -1},
                                                                   {"tasks", 1},
                                                                   {"checkpoint_step", -1},
                                                                   {"ensemble", {0.5}},
                                                                   {"accuracy_after_step", {2}},
                                                                   {"notes", {1}},
                                                                   {"split", 5},
                                                                   {"loss_after_step", {-1}},
                                                                   {"task_accuracies", {0, nullptr}}};
  for (const auto& [name, value] : bad) {
    auto json = good;
    json[name] = value;
    EXPECT_THAT(complaint(path, json.dump()), testing::StartsWith("evaluation: " + name)) << value;
  }
  EXPECT_THAT(complaint(path, std::string(100000, '[')), testing::HasSubstr("need an evaluation"));
}

TEST(Settings, NameWhatDiffersFromTheConfigs) {
  const RunOptions defaults;
  EvaluationResult result;
  result.tasks = defaults.evaluation.tasks;
  result.inner_steps = defaults.evaluation.inner_steps;
  result.queries = defaults.evaluation.queries;
  result.ways = defaults.episode.ways;
  result.checkpoint = "best";
  EXPECT_EQ(settings_of(result, defaults), "");
  result.inner_steps = 10;
  result.queries = 1;
  result.checkpoint = "last";
  EXPECT_EQ(settings_of(result, defaults), "steps10_queries1_last");
  result.seed = 7;
  result.checkpoint = "ensemble";
  result.ensemble = {4, 2};
  EXPECT_EQ(settings_of(result, defaults), "steps10_queries1_seed7_ensemble2");
  result.ensemble_mean = EnsembleMean::logits;
  EXPECT_EQ(settings_of(result, defaults), "steps10_queries1_seed7_ensemble2_logits");
  result.ensemble.clear();
  result.checkpoint = "a/best.safetensors";
  const std::string one = settings_of(result, defaults);
  result.checkpoint = "b/best.safetensors";
  EXPECT_NE(settings_of(result, defaults), one);
  EXPECT_THAT(one, testing::MatchesRegex("steps10_queries1_seed7_checkpoint[0-9a-f]+"));
  result.checkpoint = "best";
  result.ways = 20;
  result.head = nn::Head::prototype;
  EXPECT_EQ(settings_of(result, defaults), "steps10_queries1_ways20_prototype_seed7");
}

TEST(MethodOf, NamesTheHeadThatAnEvaluationHadOfItsOwn) {
  RunOptions config;
  EvaluationResult result;
  EXPECT_EQ(method_of(config, result), "MAML");
  result.head = nn::Head::prototype;
  EXPECT_EQ(method_of(config, result), "MAML, evaluated with a prototype head");
  config.model.head = nn::Head::prototype;
  EXPECT_EQ(method_of(config, result), "ProtoMAML");
  config.meta_gradient.estimator = "classifier";
  EXPECT_EQ(method_of(config, result), "Nearest class mean");
  result.head = nn::Head::zero;
  EXPECT_EQ(method_of(config, result), "Logistic regression");
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
}  // namespace ufo::run
