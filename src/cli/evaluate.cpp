#include "cli/command.h"
#include "cli/method.h"
#include "cli/workspace.h"

#include <cstdio>
#include <map>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/train/checkpoint.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/run_directory.h>

namespace ufo::cli {
namespace {

struct EvaluateArguments {
  std::string program, run, checkpoint = "best", split = "test", device, data_root;
  int64_t tasks = 0, steps = 0, queries = 0;  ///< 0: as the config says
  int64_t seed = train::kEvaluationSeed;
};

Config config_of(const EvaluateArguments& arguments, const train::RunDirectory& run) {
  std::vector<std::string> assignments;
  const auto assign = [&](const std::string& path, const Json& value) {
    assignments.push_back(path + "=" + value.dump());
  };
  if (arguments.tasks != 0) {
    assign("evaluation.tasks", arguments.tasks);
  }
  if (arguments.steps != 0) {
    assign("evaluation.inner_steps", arguments.steps);
  }
  if (arguments.queries != 0) {
    assign("evaluation.queries", arguments.queries);
  }
  if (!arguments.device.empty()) {
    assign("device", arguments.device);
  }
  if (!arguments.data_root.empty()) {
    assign("dataset.root", std::filesystem::absolute(arguments.data_root).string());
  }
  return load_config(run.config_file(), assignments);
}

train::EvaluationResult evaluate_checkpoint(const EvaluateArguments& arguments, const Workspace& workspace,
                                            const std::filesystem::path& file) {
  const auto& options = workspace.options();
  const auto checkpoint = train::load_checkpoint(file, workspace.network().layout());
  const auto sampler = workspace.evaluation_sampler(static_cast<uint64_t>(arguments.seed));
  const train::EvaluationRequest request{
      .split = data::parse_split(arguments.split),
      .tasks = options.evaluation.tasks,
      .inner = {.steps = options.evaluation.inner_steps, .learning_rate = options.inner.learning_rate},
      .engine = workspace.engine()};
  auto result = train::summarize(train::evaluate_episodes(
      workspace.network(), checkpoint.parameters.to(workspace.device()), sampler, request));
  result.split = arguments.split;
  result.estimator = options.meta_gradient.estimator;
  result.checkpoint = arguments.checkpoint;
  result.checkpoint_step = checkpoint.step;
  result.seed = static_cast<uint64_t>(arguments.seed);
  result.tasks = request.tasks;
  result.ways = options.episode.ways;
  result.shots = options.episode.shots;
  result.queries = options.evaluation.queries;
  result.inner_steps = request.inner.steps;
  result.inner_learning_rate = request.inner.learning_rate;
  result.batch_norm = to_string(workspace.network().batch_norm_mode());
  result.notes = workspace.dataset().notes;
  return result;
}

void print_result(const train::EvaluationResult& result, const train::RunOptions& options,
                  const std::filesystem::path& checkpoint) {
  std::printf("%s, %lld-way %lld-shot %s, %s split: %.2f%% ± %.2f%% (95%% interval)\n",
              method_name(options.meta_gradient).c_str(), static_cast<long long>(result.ways),
              static_cast<long long>(result.shots), options.dataset.name.c_str(), result.split.c_str(),
              100 * result.accuracy(), 100 * result.interval());
  const std::map<std::string, const char*> modes = {
      {"batch", "transductive (batch statistics of the query images)"},
      {"support", "each query image by itself (batch norm by the support images' statistics)"},
      {"none", "each query image by itself (no batch norm)"}};
  std::printf("%s after outer step %lld; %lld episodes, %lld query images a class, %s\n\n",
              checkpoint.c_str(), static_cast<long long>(result.checkpoint_step),
              static_cast<long long>(result.tasks), static_cast<long long>(result.queries),
              modes.at(result.batch_norm));
  std::printf("inner steps        accuracy      loss\n");
  for (size_t step = 0; step < result.accuracy_after_step.size(); ++step) {
    std::printf("%11zu  %6.2f%% ± %4.2f%%  %8.4f\n", step, 100 * result.accuracy_after_step[step],
                100 * result.interval_after_step[step], result.loss_after_step[step]);
  }
  for (const std::string& note : result.notes) {
    std::printf("note: %s\n", note.c_str());
  }
}

int evaluate(const EvaluateArguments& arguments) {
  const data::Split split = data::parse_split(arguments.split);
  const auto run = train::RunDirectory::open(arguments.run);
  const auto checkpoint = run.find_checkpoint(arguments.checkpoint);
  const Workspace workspace(config_of(arguments, run));
  const auto result = evaluate_checkpoint(arguments, workspace, checkpoint);
  const auto file = run.evaluation_file(split);
  std::error_code ignored;  // the write itself tells what is wrong
  std::filesystem::create_directories(file.parent_path(), ignored);
  write_file_atomically(file, train::to_json(result));
  print_result(result, workspace.options(), checkpoint);
  std::printf("\nwritten      %s\nnext         %s table %s\n", file.c_str(), arguments.program.c_str(),
              arguments.run.c_str());
  return 0;
}

}  // namespace

void add_evaluate(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<EvaluateArguments>();
  CLI::App* command =
      add_command(app, action, "evaluate", "Measure the accuracy of a trained run",
                  "ufo-maml evaluate runs/quickstart --split test --tasks 600 --steps 10", [arguments, &app] {
                    arguments->program = program_name(app);
                    return evaluate(*arguments);
                  });
  command->add_option("RUN", arguments->run, "run directory")->required();
  command->add_option("--checkpoint", arguments->checkpoint, "best, last or a checkpoint file")
      ->capture_default_str();
  command->add_option("--split", arguments->split, "train, validation or test")->capture_default_str();
  command->add_option("--tasks", arguments->tasks, "episodes (default: the config's evaluation.tasks)")
      ->check(CLI::Range(2, 1 << 30));
  command
      ->add_option("--steps", arguments->steps, "inner steps (default: the config's evaluation.inner_steps)")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--queries", arguments->queries,
                   "query images a class (default: the config's evaluation.queries)")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--seed", arguments->seed,
                   "seed of the episodes; runs compared with each other need the same")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--device", arguments->device, "auto, cpu, cuda or cuda:N (default: the config's)");
  command->add_option("--data", arguments->data_root,
                      "folder of the data set, where it has moved since training");
}

}  // namespace ufo::cli
