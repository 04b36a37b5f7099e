#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/learner.h>
#include <ufo/episode/sampler.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/metrics.h>
#include <ufo/run/options.h>
#include <ufo/train/distributed/communicator.h>
#include <ufo/train/graph.h>
#include <ufo/train/outer_optimizer.h>

namespace ufo::train {

/// What a trainer works with; all of it must outlive the trainer.
struct TrainerParts {
  const episode::EpisodeSampler& sampler;  ///< of the training episodes
  /// Of the validation episodes, 0 to validation.tasks - 1.
  const episode::EpisodeSampler& validation_sampler;
  bilevel::Learner learner;
  const bilevel::Estimator& estimator;
  bilevel::Coin& coin;  ///< of the estimator's branches
  OuterOptimizer& optimizer;
  std::vector<run::MetricSink*> sinks = {};
  std::filesystem::path last;  ///< where the newest checkpoint goes
  /// Where the one with the best validation goes; others that are kept go beside it.
  std::filesystem::path best;
  /// Asked after every step; true, in all processes alike, ends the run early.
  std::function<bool()> should_stop = {};
  /// Asked before each episode of a validation, in each process for itself and by several threads; true ends
  /// the run, and the validation is made up for when it goes on.
  std::function<bool()> breaks_off_validation = {};
  std::function<void()> before_save = {};         ///< throws where no checkpoint may be written any more
  Communicator& communicator = single_process();  ///< of the processes that train together
  GraphPoolMaker make_graph_pool = {};            ///< of the device to train on
  const bilevel::Learner* validation_learner = nullptr;  ///< of the same theta, where it is another one
};

enum class TrainingStatus { finished, interrupted };

/// How a run ended.
struct TrainingResult {
  TrainingStatus status = TrainingStatus::finished;
  run::Checkpoint checkpoint;  ///< the content of `last`
};

/// The outer loop, in each of the processes that train together: estimate the meta-gradient on a meta-batch,
/// clip, step; validate and save now and then. On the CPU the bytes of the checkpoints and of the metrics,
/// timing fields aside, depend on the options alone: not on where the run was interrupted and resumed, nor on
/// the number of threads. (One exception: a network without derivatives of its own, where a meta-batch has
/// fewer tasks than there are threads. ATen then splits each task.)
class Trainer {
 public:
  Trainer(TrainerParts parts, run::RunOptions options);

  /// Runs from `start` to options.outer.steps. A fresh run starts from a Checkpoint that has only parameters
  /// [P], on the device to train on, and the config; a resumed one from load_checkpoint, its parameters moved
  /// to that device. `seconds_before` is the time that earlier sessions of the run took. `start` is not
  /// changed. Metrics are flushed before each checkpoint, so that metrics.jsonl always reaches the step of
  /// `last`. Throws std::runtime_error where the loss or the gradient is not finite; the checkpoints are then
  /// as before.
  TrainingResult run(const run::Checkpoint& start, double seconds_before = 0);

 private:
  TrainerParts parts_;
  run::RunOptions options_;
};

}  // namespace ufo::train
