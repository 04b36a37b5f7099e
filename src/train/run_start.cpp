#include "run_start.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/logging.h>
#include <ufo/base/printable.h>
#include <ufo/run/class_file.h>
#include <ufo/run/method_name.h>
#include <ufo/train/device.h>
#include <ufo/train/schedule.h>

namespace ufo::train {
namespace {

namespace fs = std::filesystem;

/// What may differ between a run and its continuation: how long it is and where it is done, not what it
/// computes.
const std::vector<std::string> kMayChange = {"outer.steps", "dataset.root", "device"};

run::Provenance provenance_of(const run::Config& config, const Workspace& workspace, int64_t processes) {
  const data::Dataset& dataset = workspace.dataset();
  auto provenance =
      run::provenance_of_program(config.options.seed, workspace.device(), hardware_name(workspace.device()));
  provenance.processes = processes;
  provenance.dataset_root = printable(config.dataset_root.string());
  provenance.mean = dataset.mean;
  provenance.deviation = dataset.deviation;
  std::transform(dataset.notes.begin(), dataset.notes.end(), std::back_inserter(provenance.notes),
                 &printable);
  return provenance;
}

/// Refuses to go on with a run on other data than it was trained on. Gives what changed where that is
/// accepted.
std::string check_data(const TrainingRequest& request, const data::Dataset& dataset) {
  if (!run::RunDirectory::holds_a_run(request.run_directory)) {
    return {};
  }
  return run::check_classes(
      run::RunDirectory::open(request.run_directory), dataset,
      request.changed_data ? run::ChangedData::accept_if_apart : run::ChangedData::refuse);
}

/// Refuses a checkpoint that another run wrote, and one whose state does not fit the options.
void check_start(const run::Checkpoint& start, const fs::path& file, const Workspace& workspace) {
  const run::RunOptions& options = workspace.options();
  const std::string need = file.string() + ": need a checkpoint of this run to go on from, got one ";
  if (start.config.empty()) {
    throw DataError(need + "without a config");
  }
  const auto origin = run::parse_config(start.config, file.string());
  if (const auto difference = run::first_difference(origin, options, kMayChange)) {
    throw DataError(need + "of another: " + *difference);
  }
  if (start.step > options.outer.steps) {
    throw ConfigError("outer.steps: need at least " + std::to_string(start.step) + ", the step that " +
                      file.string() + " has reached, got " + std::to_string(options.outer.steps));
  }
  try {
    make_outer_optimizer(options.outer, start.parameters)->load_state(start.optimizer);
    bilevel::make_coin(options.meta_gradient, *workspace.make_estimator()).restore(start.estimator_state);
  } catch (const DataError& error) {
    throw DataError(file.string() + ": " + error.what());
  }
}

/// The checkpoint to go on from. Where the last one is damaged, the message names what is left.
run::Checkpoint load_start(const std::string& name, const Workspace& workspace,
                           const run::RunDirectory& run) {
  try {
    const fs::path file = run.find_checkpoint(name);
    auto start = run::load_checkpoint(file, workspace.learner().layout());
    check_start(start, file, workspace);
    return start;
  } catch (const DataError& error) {
    if (name == "best" || !fs::exists(run.best_checkpoint())) {
      throw;
    }
    throw DataError(std::string(error.what()) + "; --checkpoint best goes on from " +
                    run.best_checkpoint().string());
  }
}

/// What a run is, in one line of the log.
std::string headline(const Workspace& workspace, const std::string& run, int64_t processes) {
  const auto& options = workspace.options();
  const int64_t learned = workspace.learner().layout().size() - workspace.learner().adam->size();
  std::ostringstream text;
  text << run << ": " << run::method_name(options) << ", " << options.episode.ways << "-way "
       << options.episode.shots << "-shot " << options.dataset.name << " on " << workspace.device().str()
       << ", " << learned << " parameters, " << options.outer.steps << " outer steps of "
       << options.outer.meta_batch << " tasks";
  if (processes > 1) {
    text << " in " << processes << " processes";
  }
  return text.str();
}

/// Where the training starts: at a checkpoint of its own, at the weights of another, or at random ones.
run::Checkpoint starting_point(const TrainingRequest& request, const Workspace& workspace,
                               const run::RunDirectory& run) {
  const std::string& checkpoint = request.checkpoint;
  if (checkpoint == "last" && !fs::exists(run.last_checkpoint())) {
    return {.parameters = checkpoint_or_initial(workspace, request.initialise).parameters,
            .config = run::print_config(workspace.options())};
  }
  auto start = load_start(checkpoint, workspace, run);
  start.config = run::print_config(workspace.options());
  return start;
}

}  // namespace

OpenRun::OpenRun(run::RunDirectory opened, run::Checkpoint checkpoint, const run::RunOptions& options)
    : directory(std::move(opened)),
      start(std::move(checkpoint)),
      metrics(directory.metrics_file(), start.step, options.log_every),
      tensorboard(directory.tensorboard_folder(), start.step, options.log_every),
      progress({.step = start.step,
                .share = run_progress(options.outer, start.step, start.gradient_calls),
                .steps = options.outer.budget.limited() ? 0 : options.outer.steps},
               Progress::standard_outputs()) {}

void check_run(const TrainingRequest& request, const run::Config& config) {
  const fs::path& path = request.run_directory;
  if (!request.initialise.empty() && run::RunDirectory::has_a_checkpoint(path)) {
    throw ConfigError("--initialise " + request.initialise + ": need a run that has not begun; " +
                      path.string() + " goes on from its own checkpoint");
  }
  if (!request.resume && request.checkpoint != "last") {
    throw ConfigError("--checkpoint " + request.checkpoint + ": need --resume beside it");
  }
  if (!run::RunDirectory::holds_a_run(path)) {
    return;
  }
  if (!request.resume) {
    throw ConfigError(path.string() +
                      " already holds a run: go on with it by --resume, or name another --run-dir");
  }
  const auto before = run::load_config(run::RunDirectory::open(path).config_file());
  if (const auto difference = run::first_difference(before.options, config.options, kMayChange)) {
    throw ConfigError("cannot resume " + path.string() + " with another config: " + *difference);
  }
}

std::unique_ptr<OpenRun> open_run(const TrainingRequest& request, const run::Config& config,
                                  const Workspace& workspace, int64_t processes) {
  const std::string changed = check_data(request, workspace.dataset());
  const std::string text = run::print_config(config.options, provenance_of(config, workspace, processes));
  auto directory = run::RunDirectory::prepare(
      request.run_directory, text, request.resume ? run::IfThereIsARun::resume : run::IfThereIsARun::refuse);
  auto start = starting_point(request, workspace, directory);
  auto run = std::make_unique<OpenRun>(std::move(directory), std::move(start), config.options);
  if (request.resume) {
    write_file_atomically(run->directory.config_file(), text);  // outer.steps may have grown
  }
  write_file_atomically(run->directory.classes_file(), run::to_json(data::record_of(workspace.dataset())));
  log_to_file_too(run->directory.log_file());
  log(LogLevel::info, headline(workspace, run->directory.path().string(), processes));
  if (workspace.network().batch_norm_mode() == nn::BatchNorm::batch) {
    log(LogLevel::info,
        "model.batch_norm is " + word_of(config.options.model.batch_norm) +
            ", as in its paper: query images are classified by the statistics of all of them together; to predict "
            "images one at a time, train with model.batch_norm=support");
  }
  for (const auto* notes : {&workspace.dataset().notes, &workspace.dataset().remarks}) {
    for (const std::string& note : *notes) {
      log(LogLevel::warning, config.options.dataset.name + ": " + note);
    }
  }
  for (const std::string& note : run->metrics.notes()) {
    log(LogLevel::warning, note);
  }
  if (run->start.step > 0) {
    log(LogLevel::info, "going on after outer step " + std::to_string(run->start.step));
  }
  if (!changed.empty()) {
    log(LogLevel::warning, "going on with changed data: " + changed);
  }
  return run;
}

}  // namespace ufo::train
