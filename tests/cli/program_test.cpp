#include "process.h"
#include "run/json.h"
#include "support/temporary_folder.h"
#include "tiny_config.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/safetensors.h>

namespace ufo::cli {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
namespace fs = std::filesystem;

class Program : public testing::Test {
 protected:
  Program() { folder.write("tiny.json", tiny_config()); }

  /// Runs the program, which must succeed, and gives its output.
  std::string run(const std::vector<std::string>& arguments) {
    const Outcome outcome = run_program(arguments, folder.path());
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    return outcome.output;
  }

  TemporaryFolder folder;
};

TEST_F(Program, EverySubcommandHasHelpWithAnExample) {
  const std::vector<std::vector<std::string>> commands = {{"experiment", "counterexample"},
                                                          {"experiment", "hypercleaning"},
                                                          {"report"},
                                                          {"predict"},
                                                          {"train"},
                                                          {"evaluate"},
                                                          {"table"},
                                                          {"check"},
                                                          {"gradient"},
                                                          {"data"},
                                                          {"data", "verify"},
                                                          {"data", "summary"},
                                                          {"data", "preview"},
                                                          {"config"},
                                                          {"benchmark"}};
  for (auto command : commands) {
    const std::string name = testing::PrintToString(command);
    command.push_back("--help");
    EXPECT_THAT(run(command), HasSubstr("Example:\n  ufo-maml ")) << name;
  }
}

TEST_F(Program, WritesToWhatFollowsOWhereverItTakesAnOutput) {
  run({"data", "preview", "tiny.json", "-o", "episode.png"});
  EXPECT_TRUE(fs::exists(folder / "episode.png"));
  const std::vector<std::vector<std::string>> commands = {{"report"},
                                                          {"predict"},
                                                          {"data", "preview"},
                                                          {"gradient"},
                                                          {"benchmark"},
                                                          {"experiment", "counterexample"},
                                                          {"experiment", "hypercleaning"}};
  for (auto command : commands) {
    const std::string name = testing::PrintToString(command);
    command.push_back("--help");
    EXPECT_THAT(run(command), HasSubstr("\n  -o,--output TEXT")) << name;
  }
}

TEST_F(Program, TakesTheThreadsThatItIsGiven) {
  for (const int threads : {1, 3}) {
    const run::Json result = run::Json::parse(run({"benchmark", "tiny.json", "--json", "--steps", "1",
                                                   "--warm-up", "1", "--threads", std::to_string(threads)}));
    EXPECT_EQ(result.at("threads"), threads);
  }
  const Outcome none = run_program({"train", "tiny.json", "--threads", "0"}, folder.path());
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.errors, HasSubstr("--threads: Value 0 not in range 1 to 1024"));
}

TEST_F(Program, SaysItsVersionAndThoseOfItsParts) {
  EXPECT_THAT(
      run({"--version"}),
      MatchesRegex("ufo-maml [0-9.]+, revision .+\nLibTorch [0-9.]+.*\nCUDA .+\ninstruction set .+\n"));
}

TEST_F(Program, TrainsEvaluatesAndTabulates) {
  const std::string trained = run({"train", "tiny.json", "--run-dir", "run"});
  EXPECT_THAT(trained, HasSubstr("run/checkpoints/last.safetensors (step 6)"));
  EXPECT_THAT(trained, HasSubstr("evaluate run\n"));
  for (const std::string file : {"config.json", "metrics.jsonl", "log.txt", "checkpoints/best.safetensors"}) {
    EXPECT_TRUE(fs::exists(folder / ("run/" + file))) << file;
  }
  const run::Json config = run::Json::parse(read_file(folder / "run/config.json"));
  EXPECT_EQ(config.at("provenance").at("device"), "cpu");
  EXPECT_EQ(config.at("outer").at("beta1"), 0.9);

  EXPECT_THAT(run({"evaluate", "run"}), HasSubstr("UFO-MAML (q=0.5), 5-way 1-shot omniglot, test split: "));
  const run::Json evaluation = run::Json::parse(read_file(folder / "run/evaluation/test.json"));
  EXPECT_EQ(evaluation.at("tasks"), 8);
  EXPECT_EQ(evaluation.at("accuracy_after_step").size(), 3u);
  run({"evaluate", "run", "--split", "validation", "--tasks", "4", "--steps", "1", "--checkpoint", "last"});
  EXPECT_EQ(run::Json::parse(read_file(folder / "run/evaluation/validation_tasks4_steps1_last.json"))
                .at("accuracy_after_step")
                .size(),
            2u);

  const run::Json row =
      run::Json::parse(run({"table", "run", "--format", "json", "--published"})).at("rows").at(0);
  EXPECT_EQ(row.at("method"), "UFO-MAML (q=0.5)");
  EXPECT_NEAR(row.at("accuracy").get<double>(), 100 * evaluation.at("accuracy").get<double>(), 1e-9);
  EXPECT_EQ(row.at("outer_steps"), evaluation.at("checkpoint_step"));
  EXPECT_THAT(run({"table", "run", "--published"}), HasSubstr("98.70 ± 0.40 (arXiv 1703.03400)"));

  run({"evaluate", "run", "--queries", "1"});
  EXPECT_EQ(run::Json::parse(read_file(folder / "run/evaluation/test_queries1.json")).at("queries"), 1);
  EXPECT_EQ(run::Json::parse(read_file(folder / "run/evaluation/test.json")), evaluation);
  const run::Json rows = run::Json::parse(run({"table", "run", "--format", "json"})).at("rows");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows.at(1).at("queries"), 1);
  run({"report", "run", "--output", "report.html"});
  EXPECT_THAT(read_file(folder / "report.html"), HasSubstr("run, queries1"));
}

TEST_F(Program, EvaluatesTheBestCheckpointsTogetherWhereTheyAreKept) {
  run({"train", "tiny.json", "--run-dir", "run", "--set", "validation.every=2", "--set",
       "validation.keep=2"});
  EXPECT_THAT(run({"evaluate", "run", "--ensemble", "2"}),
              HasSubstr("UFO-MAML (q=0.5), ensemble of 2, 5-way"));
  const run::Json evaluation = run::Json::parse(read_file(folder / "run/evaluation/test_ensemble2.json"));
  EXPECT_EQ(evaluation.at("checkpoint"), "ensemble");
  EXPECT_EQ(evaluation.at("ensemble").size(), 2u);
  EXPECT_EQ(evaluation.at("ensemble").at(0), evaluation.at("checkpoint_step"));
  for (const run::Json& step : evaluation.at("ensemble")) {
    EXPECT_TRUE(fs::exists(folder / ("run/checkpoints/best_" + step.dump() + ".safetensors")));
  }
  EXPECT_THAT(run({"table", "run"}), HasSubstr("UFO-MAML (q=0.5), ensemble of 2"));
  EXPECT_EQ(run::Json::parse(run({"table", "run", "--format", "json"})).at("rows").at(0).at("ensemble_size"),
            2);

  EXPECT_THAT(run({"evaluate", "run", "--ensemble", "2", "--ensemble-mean", "logits"}),
              HasSubstr("UFO-MAML (q=0.5), ensemble of 2 by logits, 5-way"));
  EXPECT_TRUE(fs::exists(folder / "run/evaluation/test_ensemble2_logits.json"));
  EXPECT_EQ(run_program({"evaluate", "run", "--ensemble-mean", "logits"}, folder.path()).exit_code, 2);

  const std::string before = read_file(folder / "run/evaluation/test_ensemble2.json");
  for (const auto& [number, complaint] :
       {std::pair("3",
                  "need a run with 3 kept checkpoints, got run with validation.keep 2 and 2 in its ranking"),
        std::pair("1", "--ensemble")}) {
    const Outcome outcome = run_program({"evaluate", "run", "--ensemble", number}, folder.path());
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.errors, HasSubstr(complaint));
  }
  EXPECT_EQ(
      run_program({"evaluate", "run", "--ensemble", "2", "--checkpoint", "last"}, folder.path()).exit_code,
      2);
  fs::remove(folder / ("run/checkpoints/best_" + evaluation.at("ensemble").at(1).dump() + ".safetensors"));
  const Outcome missing = run_program({"evaluate", "run", "--ensemble", "2"}, folder.path());
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.errors, HasSubstr("no such file"));
  EXPECT_EQ(read_file(folder / "run/evaluation/test_ensemble2.json"), before);
  EXPECT_THAT(run({"evaluate", "run"}), HasSubstr("checkpoints/best.safetensors after outer step"));
}

TEST_F(Program, EvaluatesInAnotherFolderThanItTrainedIn) {
  fs::create_directories(folder / "elsewhere");
  run({"train", "tiny.json", "--run-dir", "run"});
  const Outcome outcome = run_program({"evaluate", folder / "run"}, folder / "elsewhere");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
}

TEST_F(Program, ARunThatIsStoppedAndResumedEndsInTheSameBytes) {
  run({"train", "tiny.json", "--run-dir", "whole", "--set", "outer.steps=200", "--set",
       "validation.every=0"});
  const std::vector<std::string> command = {"train", "tiny.json",       "--run-dir", "stopped",
                                            "--set", "outer.steps=200", "--set",     "validation.every=0"};
  const fs::path metrics = folder / "stopped/metrics.jsonl",
                 last = folder / "stopped/checkpoints/last.safetensors";
  const Outcome stopped = run_program(command, folder.path(), [&](pid_t process) {
    for (int i = 0; i < 6000 && !fs::exists(metrics); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ::kill(process, SIGTERM);
  });
  ASSERT_EQ(stopped.exit_code, 143) << stopped.errors;
  EXPECT_THAT(stopped.errors, HasSubstr("--resume"));
  ASSERT_TRUE(fs::exists(last));
  EXPECT_NE(read_file(last), read_file(folder / "whole/checkpoints/last.safetensors"));

  auto resume = command;
  resume.push_back("--resume");
  run(resume);
  EXPECT_EQ(read_file(last), read_file(folder / "whole/checkpoints/last.safetensors"));
}

TEST_F(Program, AFinishedRunCanBeMadeLonger) {
  run({"train", "tiny.json", "--run-dir", "run"});
  EXPECT_THAT(run({"train", "tiny.json", "--run-dir", "run", "--resume", "--set", "outer.steps=9"}),
              HasSubstr("last.safetensors (step 9)"));
  EXPECT_EQ(run::Json::parse(read_file(folder / "run/config.json")).at("outer").at("steps"), 9);
}

TEST_F(Program, WritesAGradientThatCanBeComputedElsewhere) {
  run({"gradient", "tiny.json", "--output", "g.safetensors", "--dtype", "float64", "--index", "3"});
  const auto file = load_safetensors(folder / "g.safetensors");
  EXPECT_EQ(file.tensors.at("support_images").sizes(), (std::vector<int64_t>{2, 5, 1, 28, 28}));
  EXPECT_EQ(file.tensors.at("query_labels").sizes(), (std::vector<int64_t>{2, 10}));
  EXPECT_EQ(file.tensors.at("theta.blocks.0.conv.weight").sizes(), (std::vector<int64_t>{4, 1, 3, 3}));
  const auto mean = file.tensors.at("gradient.head.weight"),
             each = file.tensors.at("task_gradient.head.weight");
  EXPECT_EQ(mean.scalar_type(), at::kDouble);
  EXPECT_TRUE(mean.allclose(each.mean(0), 1e-12, 1e-15));
  for (const auto& [key, value] : std::map<std::string, std::string>{{"estimator", "ufo"},
                                                                     {"q", "0.5"},
                                                                     {"inner_steps", "1"},
                                                                     {"inner_learning_rate", "0.4"},
                                                                     {"batch_norm_eps", "1e-05"},
                                                                     {"stride", "2"},
                                                                     {"pool", "false"},
                                                                     {"filters", "4"},
                                                                     {"batch_norm", "batch"},
                                                                     {"ways", "5"}}) {
    EXPECT_EQ(file.metadata.at(key), value) << key;
  }
  EXPECT_THAT(file.metadata.at("coins"), testing::MatchesRegex("\\[[01],[01]\\]"));
}

TEST_F(Program, ChecksItsGradients) {
  const std::string report = run({"check", "tiny.json", "--set", "inner.steps=2"});
  EXPECT_THAT(report, HasSubstr("ok    exact against one autograd graph"));
  EXPECT_THAT(report, HasSubstr("ok    mean of 4000 UFO estimates (q=0.5)"));
  EXPECT_THAT(report, testing::Not(HasSubstr("FAIL")));
}

TEST_F(Program, BenchmarksInJson) {
  const run::Json result = run::Json::parse(run({"benchmark", "tiny.json", "--steps", "4", "--json"}));
  for (const char* name : {"milliseconds_per_step", "milliseconds_min", "tasks_per_second",
                           "peak_tensor_bytes", "peak_resident_bytes", "gflops", "gemm_gflops"}) {
    EXPECT_GT(result.at(name).get<double>(), 0) << name;
  }
}

TEST_F(Program, GoesOnFromTheBestCheckpointWhereTheLastIsDamaged) {
  run({"train", "tiny.json", "--run-dir", "run"});
  const std::string whole = read_file(folder / "run/checkpoints/last.safetensors");
  std::string damaged = whole;
  damaged[damaged.size() - 9] ^= 1;
  folder.write("run/checkpoints/last.safetensors", damaged);
  const Outcome refused = run_program({"train", "tiny.json", "--run-dir", "run", "--resume"}, folder.path());
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.errors, HasSubstr("--checkpoint best goes on from run/checkpoints/best.safetensors"));
  run({"train", "tiny.json", "--run-dir", "run", "--resume", "--checkpoint", "best"});
  EXPECT_TRUE(read_file(folder / "run/checkpoints/last.safetensors") == whole);
}

TEST_F(Program, TakesMamlPlusPlusInEverySubcommand) {
  const std::vector<std::string> pieces = {
      "--set", "model.batch_norm=per_step", "--set", "inner.steps=2",
      "--set", "outer.schedule=cosine",     "--set", "outer.multi_step_loss=4",
      "--set", "inner.rates.learned=true"};
  const auto with_pieces = [&](std::vector<std::string> words) {
    words.insert(words.end(), pieces.begin(), pieces.end());
    words.insert(words.end(), {"--set", "inner.rates.per=layer_and_step"});
    return words;
  };
  run(with_pieces({"train", "tiny.json", "--run-dir", "run"}));
  EXPECT_THAT(run({"evaluate", "run", "--steps", "4"}), HasSubstr("UFO-MAML (q=0.5), MAML++, 5-way"));
  EXPECT_THAT(run({"table", "run"}), HasSubstr("UFO-MAML (q=0.5), MAML++"));
  EXPECT_THAT(run(with_pieces({"check", "tiny.json"})), testing::Not(HasSubstr("FAIL")));
  run(with_pieces({"gradient", "tiny.json", "--output", "g.safetensors"}));
  const TensorFile file = load_safetensors(folder / "g.safetensors");
  EXPECT_EQ(file.metadata.at("batch_norm"), "per_step");
  EXPECT_TRUE(file.tensors.contains("gradient.inner.norm.1.blocks.0.norm.weight"));
  const Outcome reptile = run_program(
      with_pieces({"train", "tiny.json", "--run-dir", "reptile", "--set", "meta_gradient.estimator=reptile"}),
      folder.path());
  EXPECT_EQ(reptile.exit_code, 2) << reptile.errors;
}

TEST_F(Program, TakesReptileWithAdamInEverySubcommand) {
  const std::vector<std::string> pieces = {"--set", "meta_gradient.estimator=reptile",
                                           "--set", "inner.optimizer=adam",
                                           "--set", "inner.learning_rate=0.0005",
                                           "--set", "inner.batch=5",
                                           "--set", "inner.steps=3",
                                           "--set", "episode.shots=3",
                                           "--set", "evaluation.shots=1",
                                           "--set", "evaluation.inner_batch=2"};
  const auto with_pieces = [&](std::vector<std::string> words) {
    words.insert(words.end(), pieces.begin(), pieces.end());
    return words;
  };
  const auto expect_refused = [&](const std::vector<std::string>& words, const std::string& complaint) {
    const Outcome outcome = run_program(with_pieces(words), folder.path());
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.errors, HasSubstr(complaint));
  };
  run(with_pieces({"train", "tiny.json", "--run-dir", "run"}));
  EXPECT_THAT(run({"evaluate", "run", "--steps", "4"}), HasSubstr("Reptile, 5-way 1-shot"));
  const auto evaluation = run::Json::parse(read_file(folder / "run/evaluation/test_steps4.json"));
  EXPECT_EQ(evaluation.at("shots"), 1);
  EXPECT_EQ(evaluation.at("inner_batch"), 2);
  EXPECT_THAT(run({"table", "run"}), HasSubstr("Reptile"));
  run(with_pieces({"gradient", "tiny.json", "--output", "g.safetensors", "--checkpoint",
                   "run/checkpoints/last.safetensors"}));
  const TensorFile file = load_safetensors(folder / "g.safetensors");
  EXPECT_EQ(file.metadata.at("inner_optimizer"), "adam");
  EXPECT_EQ(file.metadata.at("inner_batch"), "5");
  EXPECT_GT(file.tensors.at("gradient.inner.adam.weight").item<float>(),
            file.tensors.at("theta.inner.adam.weight").item<float>());
  const auto benchmark =
      run::Json::parse(run(with_pieces({"benchmark", "tiny.json", "--steps", "2", "--json"})));
  EXPECT_GT(benchmark.at("gflops").get<double>(), 0);
  expect_refused({"check", "tiny.json"}, "check: need inner.optimizer gradient_descent");
  expect_refused({"advise", "tiny.json"}, "inner.optimizer: need gradient_descent, got adam");
  expect_refused({"train", "tiny.json", "--run-dir", "other", "--set", "meta_gradient.q=0.5", "--set",
                  "model.head=zero"},
                 "inner.optimizer: need gradient_descent where the head begins as zero, got adam");
}

TEST_F(Program, WritesAGradientWithTheAdaptiveQThatTheRunKept) {
  const std::vector<std::string> adaptive = {"--set", "meta_gradient.q=adaptive", "--set", "outer.steps=17"};
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), adaptive.begin(), adaptive.end());
    return words;
  };
  run(with({"train", "tiny.json", "--run-dir", "run"}));
  std::istringstream lines(read_file(folder / "run/metrics.jsonl"));
  double kept = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto record = run::Json::parse(line);
    kept = record.at("split") == "train" ? record.at("q").get<double>() : kept;
  }
  run(with({"gradient", "tiny.json", "--output", "g.safetensors", "--index", "17", "--checkpoint",
            "run/checkpoints/last.safetensors"}));
  EXPECT_EQ(std::stod(load_safetensors(folder / "g.safetensors").metadata.at("q")), kept);
}

TEST_F(Program, NormalisesByTheSupportSetInEverySubcommand) {
  const std::string mode = "model.batch_norm=support";
  run({"train", "tiny.json", "--run-dir", "run", "--set", mode});
  EXPECT_THAT(run({"evaluate", "run"}), HasSubstr("by the support images' statistics"));
  EXPECT_EQ(run::Json::parse(read_file(folder / "run/evaluation/test.json")).at("batch_norm"), "support");
  EXPECT_THAT(run({"table", "run", "--published"}), HasSubstr("batch norm: support statistics"));
  EXPECT_THAT(run({"table", "run", "--published"}), HasSubstr("not comparable"));
  EXPECT_THAT(run({"check", "tiny.json", "--set", mode}), testing::Not(HasSubstr("FAIL")));
  run({"gradient", "tiny.json", "--output", "g.safetensors", "--set", mode});
  EXPECT_EQ(load_safetensors(folder / "g.safetensors").metadata.at("batch_norm"), "support");
  const run::Json result =
      run::Json::parse(run({"benchmark", "tiny.json", "--steps", "2", "--json", "--set", mode}));
  EXPECT_GT(result.at("gflops").get<double>(), 0);
}

TEST_F(Program, ShowsConfigSchemaAndData) {
  EXPECT_EQ(run::Json::parse(run({"config", "tiny.json", "--set", "seed=9"})).at("seed"), 9);
  EXPECT_EQ(run::Json::parse(run({"config", "--schema"})).at("additionalProperties"), false);
  EXPECT_THAT(run({"data", "summary", "tiny.json"}), HasSubstr("1623"));
  run({"data", "preview", "tiny.json", "--output", "e.png"});
  EXPECT_EQ(read_file(folder / "e.png").substr(1, 3), "PNG");
}

TEST_F(Program, SweepsAnOptionOverAllEstimators) {
  run({"benchmark", "tiny.json", "--sweep", "inner.steps=1,3", "--steps", "1", "--warm-up", "1", "--output",
       "s.json"});
  const run::Json sweep = run::Json::parse(read_file(folder / "s.json"));
  EXPECT_EQ(sweep.at("path"), "inner.steps");
  ASSERT_EQ(sweep.at("rows").size(), 2u * 6u);
  for (const run::Json& row : sweep.at("rows")) {
    EXPECT_GT(row.at("milliseconds_per_step"), 0);
    EXPECT_GT(row.at("peak_tensor_bytes"), 0);
  }
  EXPECT_EQ(sweep.at("rows")[0].at("estimator"), "first_order");
  EXPECT_EQ(sweep.at("rows")[0].at("hessian_products_per_step"), 0);
  EXPECT_GT(sweep.at("rows")[9].at("gradients_per_step"), sweep.at("rows")[7].at("gradients_per_step"))
      << "recomputing takes more gradients than storing";
  const Outcome wrong = run_program({"benchmark", "tiny.json", "--sweep", "inner.step=1"}, folder.path());
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.errors, HasSubstr("inner.steps"));
  EXPECT_EQ(run_program({"benchmark", "tiny.json", "--sweep", "inner.steps"}, folder.path()).exit_code, 2);
}

}  // namespace
}  // namespace ufo::cli
