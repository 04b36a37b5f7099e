#include "cli/command.h"
#include "run/json.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <optional>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/logging.h>
#include <ufo/base/printable.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/class_file.h>
#include <ufo/run/method_name.h>
#include <ufo/run/run_directory.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/signals.h>
#include <ufo/train/workspace.h>

namespace ufo::cli {
namespace {

struct EvaluateArguments {
  std::string program, run, checkpoint = "best", split = "test", ensemble_mean = "probabilities", data_root,
                            head;
  std::optional<DeviceChoice> device;
  int64_t tasks = 0, ways = 0, queries = 0;  ///< 0: as the config says
  std::optional<int64_t> steps;              ///< none: likewise
  int64_t ensemble = 0;                      ///< checkpoints evaluated together; 0: one alone
  int64_t seed = run::kEvaluationSeed;
  bool changed_data = false;
};

run::Config config_of(const EvaluateArguments& arguments, const run::RunDirectory& run) {
  std::vector<std::string> assignments;
  const auto assign = [&](const std::string& path, const run::Json& value) {
    assignments.push_back(path + "=" + value.dump());
  };
  if (arguments.tasks != 0) {
    assign("evaluation.tasks", arguments.tasks);
  }
  if (arguments.steps) {
    assign("evaluation.inner_steps", *arguments.steps);
  }
  if (arguments.ways != 0) {
    assign("evaluation.ways", arguments.ways);
  }
  if (!arguments.head.empty()) {
    assign("evaluation.head", arguments.head);
    assign("validation.every", 0);  // its inner steps are for the head of the training
  }
  if (arguments.queries != 0) {
    assign("evaluation.queries", arguments.queries);
  }
  if (arguments.device) {
    assign("device", to_string(*arguments.device));
  }
  if (!arguments.data_root.empty()) {
    assign("dataset.root", printable(std::filesystem::absolute(arguments.data_root).string()));
  }
  return run::load_config(run.config_file(), assignments);
}

/// The files to evaluate, the best first, of a run that keeps `keep` checkpoints.
std::vector<std::filesystem::path> find_checkpoints(const EvaluateArguments& arguments,
                                                    const run::RunDirectory& run, int64_t keep) {
  if (arguments.ensemble == 0) {
    return {run.find_checkpoint(arguments.checkpoint)};
  }
  const auto best = run::checkpoint_ranking(run.find_checkpoint("last"));
  if (arguments.ensemble > std::min(keep, static_cast<int64_t>(best.size()))) {
    throw ConfigError("--ensemble: need a run with " + std::to_string(arguments.ensemble) +
                      " kept checkpoints, got " + run.path().string() + " with validation.keep " +
                      std::to_string(keep) + " and " + std::to_string(best.size()) + " in its ranking");
  }
  std::vector<std::filesystem::path> files;
  for (int64_t i = 0; i < arguments.ensemble; ++i) {
    files.push_back(run.kept_checkpoint(best[static_cast<size_t>(i)].step));
  }
  return files;
}

run::EvaluationResult evaluate_checkpoints(const EvaluateArguments& arguments,
                                           const train::Workspace& workspace,
                                           const std::vector<std::filesystem::path>& files) {
  const auto& options = workspace.options();
  std::vector<at::Tensor> members;
  std::vector<int64_t> steps;
  for (const std::filesystem::path& file : files) {
    const auto checkpoint = run::load_checkpoint(file, workspace.learner().layout());
    members.push_back(checkpoint.parameters.to(workspace.device()));
    steps.push_back(checkpoint.step);
  }
  const auto sampler = workspace.evaluation_sampler(static_cast<uint64_t>(arguments.seed));
  const bilevel::Learner& learner = workspace.evaluation_learner();
  const train::EvaluationRequest request{
      .split = data::parse_split(arguments.split),
      .tasks = options.evaluation.tasks,
      .inner = {.steps = options.evaluation.inner_steps, .learning_rate = options.inner.learning_rate},
      .engine = workspace.engine(),
      .ensemble_mean = *value_of<run::EnsembleMean>(arguments.ensemble_mean),
      .should_stop = [] { return train::SignalWatch::received() != 0; }};
  auto result = run::summarize(arguments.ensemble == 0
                                   ? train::evaluate_episodes(learner, members.front(), sampler, request)
                                   : train::evaluate_ensemble(learner, members, sampler, request));
  result.split = arguments.split;
  result.estimator = options.meta_gradient.estimator;
  result.checkpoint = arguments.checkpoint;
  result.checkpoint_step = steps.front();
  if (arguments.ensemble > 0) {
    result.checkpoint = "ensemble";
    result.ensemble = steps;
    result.ensemble_mean = request.ensemble_mean;
  }
  result.seed = static_cast<uint64_t>(arguments.seed);
  result.tasks = request.tasks;
  result.ways = options.evaluation_ways();
  result.shots = options.evaluation_shots();
  result.queries = options.evaluation.queries;
  result.inner_steps = request.inner.steps;
  result.inner_learning_rate = request.inner.learning_rate;
  result.inner_batch = options.evaluation.inner_batch;
  result.batch_norm = workspace.network().batch_norm_mode();
  result.head = learner.head;
  result.notes = workspace.dataset().notes;
  return result;
}

/// What was evaluated: one checkpoint, or an ensemble of several.
std::string subject_of(const run::EvaluationResult& result, const std::filesystem::path& first) {
  std::string steps;
  for (const int64_t step : result.ensemble) {
    steps += (steps.empty() ? "" : ", ") + std::to_string(step);
  }
  return result.ensemble.empty()
             ? first.string() + " after outer step " + std::to_string(result.checkpoint_step)
             : "ensemble of " + std::to_string(result.ensemble.size()) + " checkpoints, after outer steps " +
                   steps;
}

void print_result(const run::EvaluationResult& result, const run::RunOptions& options,
                  const std::filesystem::path& first) {
  std::printf(
      "%s, %lld-way %lld-shot %s, %s split: %.2f%% ± %.2f%% (95%% interval)\n",
      run::evaluated_name(run::method_of(options, result), result.ensemble.size(), result.ensemble_mean)
          .c_str(),
      static_cast<long long>(result.ways), static_cast<long long>(result.shots), options.dataset.name.c_str(),
      result.split.c_str(), 100 * result.accuracy(), 100 * result.interval());
  using enum nn::BatchNorm;
  const std::map<nn::BatchNorm, const char*> modes = {
      {batch, "transductive (batch statistics of the query images)"},
      {support, "each query image by itself (batch norm by the support images' statistics)"},
      {none, "each query image by itself (no batch norm)"}};
  std::printf("%s; %lld episodes, %lld query images a class, %s\n\n", subject_of(result, first).c_str(),
              static_cast<long long>(result.tasks), static_cast<long long>(result.queries),
              modes.at(result.batch_norm));
  std::printf("inner steps        accuracy      loss\n");
  for (size_t step = 0; step < result.accuracy_after_step.size(); ++step) {
    std::printf("%11zu  %6.2f%% ± %4.2f%%  %8.4f\n", step, 100 * result.accuracy_after_step[step],
                100 * result.interval_after_step[step], result.loss_after_step[step]);
  }
  for (const std::string& note : result.notes) {
    std::printf("note: %s\n", printable(note).c_str());
  }
}

int evaluate(const EvaluateArguments& arguments) {
  const data::Split split = data::parse_split(arguments.split);
  const auto run = run::RunDirectory::open(arguments.run);
  const run::Config config = config_of(arguments, run);
  const auto checkpoints = find_checkpoints(arguments, run, config.options.validation.keep);
  const train::Workspace workspace(config);
  workspace.evaluation_sampler(static_cast<uint64_t>(arguments.seed)).check(split);
  const std::string changed = run::check_classes(
      run, workspace.dataset(),
      arguments.changed_data ? run::ChangedData::accept_if_apart : run::ChangedData::refuse);
  if (!changed.empty()) {
    log(LogLevel::warning, "evaluating on changed data: " + changed);
  }
  const train::SignalWatch signals;
  run::EvaluationResult result;
  try {
    result = evaluate_checkpoints(arguments, workspace, checkpoints);
  } catch (const train::EvaluationStopped&) {
    const int signal = train::SignalWatch::received();
    log(LogLevel::warning, std::string("stopped by ") + ::strsignal(signal) + "; nothing was written");
    return 128 + signal;
  }
  print_result(result, workspace.options(), checkpoints.front());
  std::fflush(stdout);  // the result is shown even where it cannot be kept
  const auto defaults = run::load_config(run.config_file()).options;
  const auto file = run.evaluation_file(split, run::settings_of(result, defaults));
  run.check_in_place();
  std::error_code ignored;  // the write itself tells what is wrong
  std::filesystem::create_directories(file.parent_path(), ignored);
  write_file_atomically(file, run::to_json(result));
  std::printf("\nwritten      %s\nnext         %s table %s\n", file.c_str(),
              shell_word(arguments.program).c_str(), shell_word(arguments.run).c_str());
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
  CLI::Option* checkpoint =
      command->add_option("--checkpoint", arguments->checkpoint, "best, last or a checkpoint file")
          ->capture_default_str();
  CLI::Option* ensemble = command->add_option(
      "--ensemble", arguments->ensemble,
      "evaluate so many checkpoints with the best validations as an ensemble (default: off); the run "
      "must have kept them (validation.keep)");
  ensemble->check(CLI::Range(2, 1000))->excludes(checkpoint);
  command
      ->add_option("--ensemble-mean", arguments->ensemble_mean,
                   "what the ensemble takes the mean of: probabilities, or logits as MAML++'s code does")
      ->capture_default_str()
      ->check(CLI::IsMember(one_of_words<run::EnsembleMean>().words))
      ->needs(ensemble);
  command->add_option("--split", arguments->split, "train, validation or test")->capture_default_str();
  command->add_option("--tasks", arguments->tasks, "episodes (default: the config's evaluation.tasks)")
      ->check(CLI::Range(2, 1 << 30));
  command
      ->add_option("--steps", arguments->steps, "inner steps (default: the config's evaluation.inner_steps)")
      ->check(CLI::Range(0, 1 << 20));
  command
      ->add_option(
          "--ways", arguments->ways,
          "classes of an episode (default: the config's evaluation.ways); others than those of training need "
          "a model.head that is not linear")
      ->check(CLI::Range(2, 1 << 20));
  command
      ->add_option(
          "--head", arguments->head,
          "what the head begins as: prototype (with --steps 0 the nearest class mean) or zero, in place of the "
          "trained one (default: the config's evaluation.head)")
      ->check(CLI::IsMember(one_of_words<run::EvaluationHead>().words));
  command
      ->add_option("--queries", arguments->queries,
                   "query images a class (default: the config's evaluation.queries)")
      ->check(CLI::Range(1, 1 << 20));
  command
      ->add_option("--seed", arguments->seed,
                   "seed of the episodes; runs compared with each other need the same")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  add_device(*command, arguments->device);
  add_threads(*command);
  command->add_flag("--changed-data", arguments->changed_data,
                    "go on though classes or images changed, where no class changed its split");
  command->add_option("--data", arguments->data_root,
                      "folder of the data set, where it has moved since training");
}

}  // namespace ufo::cli
