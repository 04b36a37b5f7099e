#include "cli/command.h"
#include "cli/processes.h"
#include "run/json.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/logging.h>
#include <ufo/base/parallel.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/class_file.h>
#include <ufo/run/run_directory.h>
#include <ufo/run/run_facts.h>
#include <ufo/run/tensorboard.h>
#include <ufo/train/device.h>
#include <ufo/train/distributed/data_parallel.h>
#include <ufo/train/distributed/process_group.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/progress.h>
#include <ufo/train/signals.h>
#include <ufo/train/trainer.h>
#include <ufo/train/workspace.h>

namespace ufo::cli {
namespace {

namespace fs = std::filesystem;

/// What may differ between a run and its continuation: how long it is and where it is done, not what it
/// computes.
const std::vector<std::string> kMayChange = {"outer.steps", "dataset.root", "device"};

struct TrainArguments {
  std::string program, config, run_directory, device, initialise, checkpoint = "last";
  std::vector<std::string> assignments;
  bool resume = false, changed_data = false;

  fs::path run_path() const {
    return run_directory.empty() ? fs::path("runs") / fs::path(config).stem() : fs::path(run_directory);
  }

  /// The command that goes on with this run.
  std::string resume_command() const {
    std::string command = program + " train " + config + " --run-dir " + run_path().string() + " --resume";
    for (const std::string& assignment : assignments) {
      command += " --set '" + assignment + "'";
    }
    return command + (device.empty() ? "" : " --device " + device);
  }
};

run::Json provenance(const run::Config& config, const train::Workspace& workspace, int64_t processes) {
  const run::RunFacts facts = run::gather_run_facts(config.options.seed, workspace.device(),
                                                    train::hardware_name(workspace.device()));
  const data::Dataset& dataset = workspace.dataset();
  return {{"seed", facts.seed},
          {"version", facts.version},
          {"revision", facts.revision},
          {"libtorch", facts.libtorch},
          {"device", facts.device},
          {"hardware", facts.hardware},
          {"threads", task_threads()},
          {"processes", processes},
          {"dataset_root", config.dataset_root.string()},
          {"mean", dataset.mean},
          {"deviation", dataset.deviation},
          {"notes", dataset.notes}};
}

/// Refuses a run directory that is in use already, and a continuation under another config.
void check_run(const TrainArguments& arguments, const run::Config& config) {
  const fs::path path = arguments.run_path();
  if (!arguments.initialise.empty() && fs::exists(path / "checkpoints" / "last.safetensors")) {
    throw ConfigError("--initialise " + arguments.initialise + ": need a run that has not begun; " +
                      path.string() + " goes on from its own checkpoint");
  }
  if (!arguments.resume && arguments.checkpoint != "last") {
    throw ConfigError("--checkpoint " + arguments.checkpoint + ": need --resume beside it");
  }
  if (!run::RunDirectory::holds_a_run(path)) {
    return;
  }
  if (!arguments.resume) {
    throw ConfigError(path.string() +
                      " already holds a run: go on with it by --resume, or name another --run-dir");
  }
  const auto before = run::load_config(run::RunDirectory::open(path).config_file());
  if (const auto difference = run::first_difference(before.options, config.options, kMayChange)) {
    throw ConfigError("cannot resume " + path.string() + " with another config: " + *difference);
  }
}

/// Refuses to go on with a run on other data than it was trained on. Gives what changed where that is
/// accepted.
std::string check_data(const TrainArguments& arguments, const train::Workspace& workspace) {
  if (!run::RunDirectory::holds_a_run(arguments.run_path())) {
    return {};
  }
  return run::check_classes(
      run::RunDirectory::open(arguments.run_path()), workspace.dataset(),
      arguments.changed_data ? run::ChangedData::accept_if_apart : run::ChangedData::refuse);
}

/// The checkpoint to go on from. Where the last one is damaged, the message names what is left.
run::Checkpoint load_start(const std::string& name, const train::Workspace& workspace,
                           const run::RunDirectory& run) {
  try {
    return run::load_checkpoint(run.find_checkpoint(name), workspace.network().layout());
  } catch (const DataError& error) {
    if (name == "best" || !fs::exists(run.best_checkpoint())) {
      throw;
    }
    throw DataError(std::string(error.what()) + "; --checkpoint best goes on from " +
                    run.best_checkpoint().string());
  }
}

/// Where the run starts: at a checkpoint of its own, at another run's weights, or from a fresh
/// initialisation.
run::Checkpoint starting_point(const TrainArguments& arguments, const train::Workspace& workspace,
                               const run::RunDirectory& run) {
  const std::string& checkpoint = arguments.checkpoint;
  if (checkpoint == "last" && !fs::exists(run.last_checkpoint())) {
    return {.parameters = train::checkpoint_or_initial(workspace, arguments.initialise).parameters,
            .config = run::print_config(workspace.options())};
  }
  auto start = load_start(checkpoint, workspace, run);
  start.parameters = start.parameters.to(workspace.device());
  start.config = run::print_config(workspace.options());
  log(LogLevel::info, "going on after outer step " + std::to_string(start.step));
  return start;
}

/// What a run is, in one line of the log.
std::string headline(const train::Workspace& workspace, const std::string& run, int64_t processes) {
  const auto& options = workspace.options();
  std::ostringstream text;
  text << run << ": " << bilevel::method_name(options.meta_gradient) << ", " << options.episode.ways
       << "-way " << options.episode.shots << "-shot " << options.dataset.name << " on "
       << workspace.device().str() << ", " << workspace.network().layout().size() << " parameters, "
       << options.outer.steps << " outer steps of " << options.outer.meta_batch << " tasks";
  if (processes > 1) {
    text << " in " << processes << " processes";
  }
  return text.str();
}

/// Where the metrics of a run go: rank 0's, for it alone writes.
struct Sinks {
  run::MetricsFile metrics;
  run::TensorBoardSink tensorboard;
  train::Progress progress;

  Sinks(const run::RunDirectory& run, int64_t first_step, const run::RunOptions& options)
      : metrics(run.metrics_file(), first_step, options.log_every),
        tensorboard(run.tensorboard_folder(), first_step, options.log_every),
        progress(first_step, options.outer.steps, train::Progress::standard_outputs()) {}
};

/// How a training ended, and the signal that ended any of its processes early, or 0.
struct End {
  train::TrainingResult result;
  int signal = 0;
};

/// Trains in one process or in several; `run` is the run directory in rank 0, nothing in the others.
End run_training(const TrainArguments& arguments, const train::Workspace& workspace,
                 const std::optional<run::RunDirectory>& run, train::Communicator& communicator) {
  const auto& options = workspace.options();
  run::Checkpoint start = run ? starting_point(arguments, workspace, *run) : run::Checkpoint();
  train::broadcast(start, communicator);
  start.parameters = start.parameters.to(workspace.device());
  const auto training = workspace.training_sampler();
  const auto validation = workspace.evaluation_sampler(run::kEvaluationSeed);
  const auto estimator = workspace.make_estimator();
  const auto optimizer = train::make_outer_optimizer(options.outer, start.parameters);
  End end;
  train::TrainerParts parts{.sampler = training,
                            .validation_sampler = validation,
                            .network = workspace.network(),
                            .estimator = *estimator,
                            .optimizer = *optimizer,
                            .should_stop =
                                [&] {
                                  end.signal = static_cast<int>(
                                      train::max_over_ranks(communicator, train::SignalWatch::received()));
                                  return end.signal != 0;
                                },
                            .communicator = communicator,
                            .make_graph_pool = train::graph_pool_maker(workspace.device())};
  std::optional<Sinks> sinks;
  if (run) {
    sinks.emplace(*run, start.step, options);
    parts.sinks = {&sinks->metrics, &sinks->tensorboard, &sinks->progress};
    parts.last = run->last_checkpoint();
    parts.best = run->best_checkpoint();
  }
  end.result = train::Trainer(parts, options).run(start, sinks ? sinks->metrics.seconds_before() : 0);
  communicator.close();
  return end;
}

void print_end(const TrainArguments& arguments, const run::RunDirectory& run, const run::Checkpoint& end) {
  const std::string path = run.path().string();
  std::printf("run          %s\n", path.c_str());
  if (fs::exists(run.best_checkpoint()) && !end.best.empty()) {
    const run::Validated& best = end.best.front();
    std::printf("best         %s (validation %.2f%% after step %lld)\n", run.best_checkpoint().c_str(),
                100 * best.accuracy, static_cast<long long>(best.step));
  }
  std::printf("last         %s (step %lld)\n", run.last_checkpoint().c_str(),
              static_cast<long long>(end.step));
  std::printf("curves       %s, %s\n", run.metrics_file().c_str(), run.tensorboard_folder().c_str());
  std::printf("next         %s evaluate %s\n", arguments.program.c_str(), path.c_str());
}

/// What the coins of a UFO run saw, in one line: D^2 / V^2, and the q that would have suited it.
void print_coins(const train::Workspace& workspace, const run::Checkpoint& end) {
  const auto estimator = workspace.make_estimator();
  if (!end.estimator_state.empty()) {
    estimator->restore(end.estimator_state);
  }
  const auto moments = estimator->moments();
  if (!moments || std::isnan(moments->norm_squared)) {
    return;
  }
  const double best = bilevel::optimal_probability(
      *moments, {.first_order = estimator->work(false).cost, .exact = estimator->work(true).cost},
      workspace.options().meta_gradient.q_minimum);
  std::printf("coins        D^2 is %.2f of V^2; the q of least variance for the work is %.2f: %s\n",
              moments->bias_squared / moments->norm_squared, best,
              best > 0.95  ? "exact would do, without a coin"
              : best < 0.2 ? "the base says nearly all there is"
                           : "a larger base would allow a smaller one");
}

/// Prepares the run directory and says in the log what is to come. For rank 0.
run::RunDirectory open_run(const TrainArguments& arguments, const run::Config& config,
                           const train::Workspace& workspace, int64_t processes) {
  const std::string text = run::print_config(config.options, provenance(config, workspace, processes).dump());
  const auto run = run::RunDirectory::prepare(
      arguments.run_path(), text, arguments.resume ? run::IfThereIsARun::resume : run::IfThereIsARun::refuse);
  if (arguments.resume) {
    write_file_atomically(run.config_file(), text);  // outer.steps may have grown
  }
  write_file_atomically(run.classes_file(), run::to_json(data::record_of(workspace.dataset())));
  log_to_file_too(run.log_file());
  log(LogLevel::info, headline(workspace, run.path().string(), processes));
  for (const auto* notes : {&workspace.dataset().notes, &workspace.dataset().remarks}) {
    for (const std::string& note : *notes) {
      log(LogLevel::warning, config.options.dataset.name + ": " + note);
    }
  }
  return run;
}

int report_end(const TrainArguments& arguments, const train::Workspace& workspace,
               const run::RunDirectory& run, const End& end) {
  if (end.result.status == train::TrainingStatus::finished) {
    print_end(arguments, run, end.result.checkpoint);
    print_coins(workspace, end.result.checkpoint);
    return 0;
  }
  std::ostringstream text;
  text << "stopped by " << ::strsignal(end.signal) << " after outer step " << end.result.checkpoint.step
       << "; go on with: " << arguments.resume_command();
  log(LogLevel::warning, text.str());
  return 128 + end.signal;
}

int train(const TrainArguments& arguments) {
  std::vector<std::string> assignments = arguments.assignments;
  if (!arguments.device.empty()) {
    assignments.push_back("device=\"" + arguments.device + "\"");
  }
  const run::Config config = run::load_config(arguments.config, assignments);
  const train::ProcessPlace place = train::find_place();
  check_share(config.options, place);
  share_cores(place);
  const auto communicator = train::meet(place, train::parse_device(config.options.device, place.local_rank));
  check_same_config(config.options, *communicator);
  if (place.rank == 0) {
    check_run(arguments, config);
  }
  if (place.local_rank > 0) {
    communicator->barrier();  // the first process of a machine fills the cache of the data set for the others
  }
  const train::Workspace workspace(config, place.local_rank);
  if (place.local_rank == 0) {
    communicator->barrier();
  }
  // Samplers and estimator refuse what the data cannot give; made once here, before anything is written.
  workspace.training_sampler().check(data::Split::train);
  const auto validation = workspace.evaluation_sampler(run::kEvaluationSeed);
  if (config.options.validation.every > 0) {
    validation.check(data::Split::validation);
  }
  workspace.make_estimator();
  train::checkpoint_or_initial(workspace, arguments.initialise);

  const train::SignalWatch signals;
  std::optional<run::RunDirectory> run;
  if (place.rank == 0) {
    const std::string changed = check_data(arguments, workspace);
    run = open_run(arguments, config, workspace, place.size);
    if (!changed.empty()) {
      log(LogLevel::warning, "going on with changed data: " + changed);
    }
  }
  const End end = run_training(arguments, workspace, run, *communicator);
  if (run) {
    return report_end(arguments, workspace, *run, end);
  }
  return end.result.status == train::TrainingStatus::finished ? 0 : 128 + end.signal;
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = add_command(
      app, action, "train", "Train an initialisation as a config says",
      "ufo-maml train configs/omniglot_5way_1shot_ufo.json --set meta_gradient.q=0.2 --run-dir runs/q02",
      [arguments, &app] {
        arguments->program = program_name(app);
        return train(*arguments);
      });
  add_config_arguments(*command, arguments->config, arguments->assignments);
  command->add_option("--run-dir", arguments->run_directory,
                      "folder of the run (default: runs/ and the config's name)");
  command->add_flag(
      "--resume", arguments->resume,
      "go on with the run in the folder; outer.steps, dataset.root and device may have changed");
  command->add_flag(
      "--changed-data", arguments->changed_data,
      "with --resume: go on though classes or images changed, where no class changed its split");
  command
      ->add_option("--checkpoint", arguments->checkpoint,
                   "with --resume: where to go on from, last, best or a checkpoint file")
      ->capture_default_str();
  command->add_option(
      "--initialise", arguments->initialise,
      "safetensors file, a checkpoint for example, whose weights the run begins with in place of random ones");
  command->add_option("--device", arguments->device, "auto, cpu, cuda or cuda:N (default: the config's)");
}

}  // namespace ufo::cli
