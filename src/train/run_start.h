#pragma once

#include <cstdint>

#include <ufo/run/checkpoint.h>
#include <ufo/run/config.h>
#include <ufo/run/run_directory.h>
#include <ufo/train/training.h>
#include <ufo/train/workspace.h>

namespace ufo::train {

/// Refuses a run directory that is in use already, and a continuation under another config. Throws
/// ConfigError.
void check_run(const TrainingRequest& request, const run::Config& config);

/// Prepares the run directory for the training of `processes` processes, and says in the log what is to come.
/// Throws UserError where the folder cannot be written, or holds a run on other data.
run::RunDirectory open_run(const TrainingRequest& request, const run::Config& config,
                           const Workspace& workspace, int64_t processes);

/// Where the training starts: at a checkpoint of its own, at the weights of another, or at random ones.
/// Throws DataError as load_checkpoint does.
run::Checkpoint starting_point(const TrainingRequest& request, const Workspace& workspace,
                               const run::RunDirectory& run);

}  // namespace ufo::train
