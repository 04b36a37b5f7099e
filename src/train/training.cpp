#include "distributed/processes.h"
#include "run_start.h"

#include <ufo/run/evaluation.h>
#include <ufo/train/device.h>
#include <ufo/train/distributed/data_parallel.h>
#include <ufo/train/signals.h>
#include <ufo/train/training.h>
#include <ufo/train/workspace.h>

namespace ufo::train {
namespace {

/// Samplers, estimator and weights refuse what the data cannot give; made once here, before anything is
/// written.
void check_parts(const Workspace& workspace, const TrainingRequest& request) {
  workspace.training_sampler().check(data::Split::train);
  const auto evaluation = workspace.evaluation_sampler(run::kEvaluationSeed);
  if (workspace.options().validation.every > 0) {
    evaluation.check(data::Split::validation);
  }
  if (!workspace.dataset().of(data::Split::test).empty()) {
    evaluation.check(data::Split::test);
  }
  workspace.make_estimator();
  checkpoint_or_initial(workspace, request.initialise);
}

/// Trains in one process or in several; `run` is rank 0's, nothing in the others.
TrainingEnd run_training(OpenRun* run, const Workspace& workspace, Communicator& communicator) {
  const auto& options = workspace.options();
  run::Checkpoint start = run != nullptr ? run->start : run::Checkpoint();
  broadcast(start, workspace.learner().layout(), communicator);
  start.parameters = start.parameters.to(workspace.device());
  const auto training = workspace.training_sampler();
  const auto validation = workspace.evaluation_sampler(run::kEvaluationSeed);
  const auto optimizer = make_outer_optimizer(options.outer, start.parameters);
  const auto estimator = workspace.make_estimator();
  TrainingEnd end{.result = {}, .coin = make_coin(options.meta_gradient, *estimator), .run = {}};
  TrainerParts parts{.sampler = training,
                     .validation_sampler = validation,
                     .learner = workspace.learner(),
                     .estimator = *estimator,
                     .coin = end.coin,
                     .optimizer = *optimizer,
                     .should_stop =
                         [&] {
                           end.signal =
                               static_cast<int>(max_over_ranks(communicator, SignalWatch::received()));
                           return end.signal != 0;
                         },
                     .breaks_off_validation = [] { return SignalWatch::received() != 0; },
                     .communicator = communicator,
                     .make_graph_pool = graph_pool_maker(workspace.device()),
                     .validation_learner = &workspace.evaluation_learner()};
  if (run != nullptr) {
    parts.sinks = {&run->metrics, &run->tensorboard, &run->progress};
    parts.last = run->directory.last_checkpoint();
    parts.best = run->directory.best_checkpoint();
    parts.before_save = [run] { run->directory.check_in_place(); };
    end.run = run->directory;
  }
  end.result = Trainer(parts, options).run(start, run != nullptr ? run->metrics.seconds_before() : 0);
  if (end.result.status == TrainingStatus::interrupted) {
    end.signal = static_cast<int>(max_over_ranks(communicator, SignalWatch::received()));
  }
  communicator.close();
  return end;
}

}  // namespace

TrainingEnd train(const run::Config& config, const TrainingRequest& request) {
  const ProcessPlace place = find_place();
  check_share(config.options, place);
  share_cores(place);
  const auto communicator = meet(place, find_device(config.options.device, place.local_rank));
  check_same_config(config.options, *communicator);
  if (place.rank == 0) {
    check_run(request, config);
  }
  if (place.local_rank > 0) {
    communicator->barrier();  // the first process of a machine fills the cache of the data set for the others
  }
  const Workspace workspace(config, place.local_rank);
  if (place.local_rank == 0) {
    communicator->barrier();
  }
  check_parts(workspace, request);

  const SignalWatch signals;
  std::unique_ptr<OpenRun> run;
  if (place.rank == 0) {
    run = open_run(request, config, workspace, place.size);
  }
  return run_training(run.get(), workspace, *communicator);
}

}  // namespace ufo::train
