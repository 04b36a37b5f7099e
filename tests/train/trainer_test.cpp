#include "small_run.h"

#include <set>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <ufo/run/run_directory.h>
#include <ufo/run/tensorboard.h>
#include <ufo/train/trainer.h>

namespace ufo::train {
namespace {

using nlohmann::json;

class Training : public testing::Test {
 protected:
  /// Trains in the folder `name`, from its last checkpoint where there is one, until `stop_at` outer steps of
  /// it.
  TrainingResult train(SmallRun& run, const std::string& name, int64_t stop_at = -1) {
    const run::RunDirectory directory =
        run::RunDirectory::prepare(folder_.path() / name, "{}", run::IfThereIsARun::resume);
    run::Checkpoint start{.parameters = run.learner().initial(static_cast<uint64_t>(run.options.seed)),
                          .config = "{\"a\": 1}"};
    if (std::filesystem::exists(directory.last_checkpoint())) {
      start = run::load_checkpoint(directory.last_checkpoint(), run.learner().layout());
    }
    run::MetricsFile metrics(directory.metrics_file(), start.step, run.options.log_every);
    run::TensorBoardSink tensorboard(directory.tensorboard_folder(), start.step, run.options.log_every);
    const auto estimator = bilevel::make_estimator(run.options.meta_gradient, run.options.inner);
    bilevel::Coin coin = make_coin(run.options.meta_gradient, *estimator);
    const auto optimizer = make_outer_optimizer(run.options.outer, start.parameters);
    int64_t steps = start.step;
    Trainer trainer({.sampler = *run.sampler,
                     .validation_sampler = *run.validation_sampler,
                     .learner = run.learner(),
                     .estimator = *estimator,
                     .coin = coin,
                     .optimizer = *optimizer,
                     .sinks = {&metrics, &tensorboard},
                     .last = directory.last_checkpoint(),
                     .best = directory.best_checkpoint(),
                     .should_stop = [&, stop_at] { return ++steps == stop_at; },
                     .breaks_off_validation = breaks_off_validation_},
                    run.options);
    return trainer.run(start, metrics.seconds_before());
  }

  std::string last(const std::string& name) const {
    return read_file(folder_.path() / name / "checkpoints/last.safetensors");
  }
  std::string best(const std::string& name) const {
    return read_file(folder_.path() / name / "checkpoints/best.safetensors");
  }

  /// The content of all checkpoints by their names.
  std::map<std::string, std::string> checkpoints(const std::string& name) const {
    std::map<std::string, std::string> contents;
    for (const auto& file : std::filesystem::directory_iterator(folder_.path() / name / "checkpoints")) {
      contents[file.path().filename().string()] = read_file(file.path());
    }
    return contents;
  }

  /// The lines of metrics.jsonl without their timing fields.
  std::vector<json> metrics(const std::string& name) const {
    std::vector<json> lines;
    std::istringstream file(read_file(folder_.path() / name / "metrics.jsonl"));
    for (std::string line; std::getline(file, line);) {
      lines.push_back(json::parse(line));
      lines.back().erase("seconds");
      lines.back().erase("tasks_per_second");
    }
    return lines;
  }

  std::function<bool()> breaks_off_validation_;
  TemporaryFolder folder_;
};

TEST_F(Training, LearnsToTellPatternsApart) {
  SmallRun run("conv4");
  run.options.outer.steps = 150;
  run.options.outer.meta_batch = 8;
  run.options.validation.every = 50;
  EXPECT_EQ(train(run, "a").status, TrainingStatus::finished);
  const auto lines = metrics("a");
  double early = 0, late = 0;
  for (const json& line : lines) {
    if (line["split"] == "train") {
      early += line["step"] <= 20 ? line["loss"].get<double>() : 0;
      late += line["step"] > 130 ? line["loss"].get<double>() : 0;
    }
  }
  EXPECT_LT(late, 0.7 * early);
  EXPECT_EQ(lines.back()["split"], "validation");
  EXPECT_GT(lines.back()["accuracy"], 0.6);
}

TEST_F(Training, LogsAllFields) {
  SmallRun run;
  train(run, "a");
  const auto lines = metrics("a");
  ASSERT_EQ(lines.size(), 12u + 3u);
  for (const char* key : {"step", "split", "loss", "accuracy", "gradient_norm", "q", "exact_tasks", "d2",
                          "v2", "d2_mean", "v2_mean", "gradient_calls", "hessian_products"}) {
    EXPECT_TRUE(lines[0].contains(key)) << key;
  }
  EXPECT_EQ(lines[0]["step"], 1);
  EXPECT_EQ(lines[4]["split"], "validation");
  EXPECT_EQ(lines[4]["step"], 4);
}

TEST_F(Training, OnlyUfoLogsCoins) {
  SmallRun run;
  run.options.meta_gradient.estimator = "exact";
  run.build();
  train(run, "a");
  EXPECT_FALSE(metrics("a")[0].contains("q"));
  EXPECT_GT(metrics("a")[0]["hessian_products"], 0);
}

TEST_F(Training, ResumedAtAnyStepEndsInTheSameBytes) {
  for (const auto& [model, adaptive] :
       {std::pair("mlp", false), std::pair("mlp", true), std::pair("conv4", false)}) {
    SmallRun run(model);
    run.options.meta_gradient.q.adaptive = adaptive;
    const std::string whole = std::string(model) + (adaptive ? " adaptive" : "") + " whole";
    train(run, whole);
    for (int64_t stop = 1; stop < 12; ++stop) {
      const std::string name = whole + std::to_string(stop);
      const TrainingResult result = train(run, name, stop);
      EXPECT_EQ(result.status, TrainingStatus::interrupted);
      EXPECT_EQ(result.checkpoint.step, stop);
      EXPECT_EQ(
          run::load_checkpoint(folder_.path() / name / "checkpoints/last.safetensors", run.network->layout())
              .step,
          stop);
      EXPECT_EQ(train(run, name).status, TrainingStatus::finished);
      EXPECT_EQ(last(name), last(whole)) << name;
      EXPECT_EQ(best(name), best(whole)) << name;
      EXPECT_EQ(metrics(name), metrics(whole)) << name;
    }
  }
}

TEST_F(Training, KeepsAnAdaptiveQForTenSteps) {
  SmallRun run("mlp");
  run.options.meta_gradient.q.adaptive = true;
  run.options.outer.steps = 40;
  run.options.validation.every = 0;
  train(run, "a");
  const auto lines = metrics("a");
  ASSERT_EQ(lines.size(), 40u);
  EXPECT_EQ(lines[0]["q"], 1);
  std::set<double> found;
  for (size_t step = 0; step < lines.size(); ++step) {
    EXPECT_EQ(lines[step]["q"], lines[step / 10 * 10]["q"]) << step;
    found.insert(lines[step]["q"].get<double>());
  }
  EXPECT_GT(found.size(), 1u);
}

TEST_F(Training, WithScheduleBudgetAndQAlongTheRunResumesInTheSameBytes) {
  SmallRun run("mlp");
  run.options.meta_gradient.q = {.value = 0, .to = 0.9};
  run.options.outer.schedule = run::LearningRateSchedule::cosine;
  run.options.outer.warm_up_steps = 3;
  run.options.outer.budget.gradient_calls = 150;
  run.options.outer.steps = 1000;
  const TrainingResult whole = train(run, "whole");
  EXPECT_EQ(whole.status, TrainingStatus::finished);
  EXPECT_GE(whole.checkpoint.gradient_calls, 150);
  EXPECT_LT(whole.checkpoint.gradient_calls,
            150 + 4 * 7);  // one step of four exact tasks, three calls and two products
  EXPECT_EQ(metrics("whole").back()["split"], "validation");
  for (const int64_t stop : {1, 5, 8}) {
    const std::string name = "stopped after " + std::to_string(stop);
    EXPECT_EQ(train(run, name, stop).status, TrainingStatus::interrupted);
    EXPECT_EQ(train(run, name).status, TrainingStatus::finished);
    EXPECT_EQ(last(name), last("whole")) << name;
    EXPECT_EQ(metrics(name), metrics("whole")) << name;
  }
}

TEST_F(Training, WithLearnedRatesResumesInTheSameBytesAndLogsThem) {
  SmallRun run("conv4");
  run.options.inner.rates = {.per = bilevel::RatesPer::layer_and_step, .learned = true};
  run.options.outer.multi_step_loss = 7;
  run.build();
  train(run, "whole");
  train(run, "stopped", 5);
  train(run, "stopped");
  EXPECT_EQ(last("stopped"), last("whole"));
  EXPECT_EQ(metrics("stopped"), metrics("whole"));
  const json rates = metrics("whole").back()["inner_rates"];
  EXPECT_EQ(rates.size(), 5) << rates;  // two layers in each of two blocks, and the head
  EXPECT_EQ(rates["head"].size(), 2);
  EXPECT_NE(rates["head"][0], 0.1) << "the start";
}

TEST_F(Training, OfReptileWithAdamResumesInTheSameBytesForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  SmallRun run("conv4");
  run.options.meta_gradient.estimator = "reptile";
  run.options.episode.shots = 2;
  run.options.inner = {
      .steps = 3, .learning_rate = 0.01, .optimizer = bilevel::InnerOptimizer::adam, .batch = 3};
  run.build();
  const TrainingResult whole = train(run, "whole");
  at::set_num_threads(1);
  train(run, "stopped", 5);
  at::set_num_threads(2);
  train(run, "stopped");
  at::set_num_threads(threads);
  EXPECT_EQ(last("stopped"), last("whole"));
  EXPECT_EQ(best("stopped"), best("whole"));
  EXPECT_EQ(metrics("stopped"), metrics("whole"));
  const at::Tensor state = run.learner().adam->of(whole.checkpoint.parameters);
  EXPECT_NEAR(state[-1].item<double>(), 1 - std::pow(0.999, 3 * run.options.outer.steps), 1e-6);
}

TEST_F(Training, OfMamlPlusPlusResumesInTheSameBytes) {
  SmallRun run("conv4");
  run.options.model.batch_norm = nn::BatchNorm::per_step;
  run.options.model.negative_slope = 0.01;
  run.options.inner.rates = {.per = bilevel::RatesPer::layer_and_step, .learned = true};
  run.options.outer.multi_step_loss = 7;
  run.options.outer.schedule = run::LearningRateSchedule::cosine;
  run.build();
  const TrainingResult whole = train(run, "whole");
  train(run, "stopped", 5);
  train(run, "stopped");
  EXPECT_EQ(last("stopped"), last("whole"));
  EXPECT_EQ(metrics("stopped"), metrics("whole"));
  const auto set = run.learner().layout().entry("inner.norm.1.blocks.0.norm.weight");
  EXPECT_FALSE(whole.checkpoint.parameters.narrow(0, set.offset, set.size).eq(1).any().item<bool>())
      << "the start";
}

TEST_F(Training, AValidationThatIsBrokenOffIsMadeUpFor) {
  SmallRun run;
  train(run, "whole");
  breaks_off_validation_ = [] { return true; };
  for (int time = 0; time < 2; ++time) {  // the second time before the first step
    const TrainingResult result = train(run, "stopped");
    EXPECT_EQ(result.status, TrainingStatus::interrupted);
    EXPECT_EQ(result.checkpoint.step, 4);
    EXPECT_EQ(metrics("stopped").size(), 4u);
  }
  breaks_off_validation_ = {};
  EXPECT_EQ(train(run, "stopped").status, TrainingStatus::finished);
  EXPECT_EQ(checkpoints("stopped"), checkpoints("whole"));
  EXPECT_EQ(metrics("stopped"), metrics("whole"));
}

TEST_F(Training, ResumedFromAnOldCheckpointEndsInTheSameBytes) {
  SmallRun run;
  train(run, "whole");
  train(run, "killed", 5);
  const std::string old = last("killed");
  train(run, "killed", 9);
  std::ofstream(folder_.path() / "killed/checkpoints/last.safetensors", std::ios::binary) << old;
  std::ofstream(folder_.path() / "killed/metrics.jsonl", std::ios::app) << "{\"step\": 10, \"spl";
  train(run, "killed");
  EXPECT_EQ(last("killed"), last("whole"));
  EXPECT_EQ(metrics("killed"), metrics("whole"));
}

TEST_F(Training, HasTheSameBytesForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  // The conv net's own kernels split even a single task among threads and keep the bytes.
  for (const auto& [model, meta_batch] :
       {std::pair("mlp", 4), std::pair("conv4", 4), std::pair("conv4", 1)}) {
    SmallRun run(model);
    run.options.outer.clip_norm = 0.5;
    run.options.outer.meta_batch = meta_batch;
    const std::string name = model + std::to_string(meta_batch);
    for (int count : {1, 2}) {
      at::set_num_threads(count);
      train(run, name + std::to_string(count));
    }
    at::set_num_threads(threads);
    EXPECT_TRUE(last(name + "1") == last(name + "2")) << name;
    EXPECT_TRUE(best(name + "1") == best(name + "2")) << name;
    EXPECT_EQ(metrics(name + "1"), metrics(name + "2")) << name;
  }
}

TEST_F(Training, KeepsTheBestValidation) {
  SmallRun run;
  const TrainingResult result = train(run, "a");
  double largest = -1;
  int64_t step = 0;
  for (const json& line : metrics("a")) {
    if (line["split"] == "validation" && line["accuracy"] > largest) {
      largest = line["accuracy"];
      step = line["step"];
    }
  }
  EXPECT_EQ(result.checkpoint.best, (std::vector<run::Validated>{{step, largest}}));
  EXPECT_EQ(
      run::load_checkpoint(folder_.path() / "a/checkpoints/best.safetensors", run.network->layout()).step,
      step);
}

TEST_F(Training, KeepsAsManyOfTheBestCheckpointsAsAskedForWhereverItStops) {
  SmallRun run;
  run.options.validation = {.every = 1, .tasks = 10, .inner_steps = 2, .keep = 3};
  const auto ranking = train(run, "whole").checkpoint.best;
  ASSERT_EQ(ranking.size(), 3u);
  std::vector<double> accuracies;
  for (const json& line : metrics("whole")) {
    if (line["split"] == "validation") {
      accuracies.push_back(line["accuracy"]);
    }
  }
  std::sort(accuracies.rbegin(), accuracies.rend());
  const auto kept = checkpoints("whole");
  EXPECT_EQ(kept.size(), 2u + 3u);
  EXPECT_TRUE(std::any_of(ranking.begin(), ranking.end(), [](const run::Validated& v) { return v.step > 3; }))
      << "none of the first three was outranked";
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(ranking[i].accuracy, accuracies[i]);
    const auto file = run::RunDirectory::open(folder_.path() / "whole").kept_checkpoint(ranking[i].step);
    EXPECT_EQ(run::load_checkpoint(file, run.network->layout()).step, ranking[i].step);
  }
  for (int64_t stop = 1; stop < 12; ++stop) {
    const std::string name = "stopped" + std::to_string(stop);
    train(run, name, stop);
    train(run, name);
    EXPECT_EQ(checkpoints(name), kept) << name;
  }
}

TEST_F(Training, AKilledRunThatWasAtItsEndLeavesNoOutrankedCheckpoint) {
  SmallRun run;
  run.options.validation = {.every = 2, .tasks = 10, .inner_steps = 2, .keep = 2};
  train(run, "a");
  const auto kept = checkpoints("a");
  std::ofstream(folder_.path() / "a/checkpoints/best_1.safetensors") << "outranked";
  train(run, "a");
  EXPECT_EQ(checkpoints("a"), kept);
}

TEST_F(Training, RemovesNothingWhereOnlyTheBestIsKept) {
  SmallRun run;
  train(run, "a", 5);
  std::ofstream(folder_.path() / "a/checkpoints/best_3.safetensors") << "a copy of the user's";
  train(run, "a");
  EXPECT_EQ(checkpoints("a").count("best_3.safetensors"), 1u);
}

TEST_F(Training, WithoutValidationBestIsLast) {
  SmallRun run;
  run.options.validation.every = 0;
  train(run, "a");
  EXPECT_EQ(best("a"), last("a"));
}

TEST_F(Training, ALossThatIsNotFiniteStopsTheRunAndKeepsTheCheckpoint) {
  SmallRun run;
  train(run, "a", 5);
  const std::string before = last("a");
  run.options.inner.learning_rate = 1e30;
  run.build();
  try {
    train(run, "a");
    FAIL() << "the run went on";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(),
                testing::MatchesRegex("step 6: the (loss|gradient) is not finite .*learning_rate.*"));
  }
  EXPECT_EQ(last("a"), before);
  EXPECT_EQ(metrics("a").back()["step"], 6);
}

TEST_F(Training, ClipsTheEstimateThatTheOptimizerSees) {
  SmallRun run;
  run.options.outer = {
      .optimizer = run::Optimizer::sgd, .learning_rate = 1, .clip_norm = 1e-3, .meta_batch = 4, .steps = 1};
  const at::Tensor before = run.network->initial_parameters(1);
  const TrainingResult result = train(run, "a");
  EXPECT_NEAR((result.checkpoint.parameters - before).norm().item<double>(), 1e-3, 1e-6);
}

}  // namespace
}  // namespace ufo::train
