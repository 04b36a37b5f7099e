#pragma once

#include <string>

#include <ufo/run/options.h>
#include <ufo/train/distributed/communicator.h>
#include <ufo/train/distributed/process_group.h>

namespace ufo::train {

/// Refuses more processes than a meta-batch has tasks: throws ConfigError.
void check_share(const run::RunOptions& options, const ProcessPlace& place);

/// Divides the cores between the processes on this machine, unless OMP_NUM_THREADS says how many threads each
/// is to use.
void share_cores(const ProcessPlace& place);

/// Throws ConfigError, in all processes, where one was started with another config than rank 0. Where the
/// data lie and the device may differ.
void check_same_config(const run::RunOptions& options, Communicator& communicator);

}  // namespace ufo::train
