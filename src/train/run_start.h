#pragma once

#include <cstdint>
#include <memory>

#include <ufo/run/checkpoint.h>
#include <ufo/run/config.h>
#include <ufo/run/metrics.h>
#include <ufo/run/run_directory.h>
#include <ufo/run/tensorboard.h>
#include <ufo/train/progress.h>
#include <ufo/train/training.h>
#include <ufo/train/workspace.h>

namespace ufo::train {

/// Refuses a run directory that is in use already, and a continuation under another config. Throws
/// ConfigError.
void check_run(const TrainingRequest& request, const run::Config& config);

/// A run that is ready to be trained: where it starts, and where its metrics go. Rank 0's, for it alone reads
/// and writes the run.
struct OpenRun {
  run::RunDirectory directory;
  run::Checkpoint start;
  run::MetricsFile metrics;
  run::TensorBoardSink tensorboard;
  Progress progress;

  OpenRun(run::RunDirectory opened, run::Checkpoint checkpoint, const run::RunOptions& options);
};

/// Opens the run directory for the training of `processes` processes, and says in the log what is to come: it
/// starts at a checkpoint of its own, at the weights of another, or at random ones. A run that is resumed is
/// written to once all that can refuse has been asked. Throws UserError where the folder cannot be written,
/// holds a run on other data, or where the checkpoint is damaged, of another run, or does not fit the
/// options.
std::unique_ptr<OpenRun> open_run(const TrainingRequest& request, const run::Config& config,
                                  const Workspace& workspace, int64_t processes);

}  // namespace ufo::train
