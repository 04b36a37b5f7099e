#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <ufo/bilevel/estimator.h>
#include <ufo/run/config.h>
#include <ufo/run/run_directory.h>
#include <ufo/train/trainer.h>

namespace ufo::train {

/// Where a training is written, and what it begins with.
struct TrainingRequest {
  std::filesystem::path run_directory;
  bool resume = false;              ///< go on with the run that is there
  std::string checkpoint = "last";  ///< where a resumed run goes on from: last, best or a file
  bool changed_data = false;  ///< go on though classes or images changed, where no class changed its split
  std::string initialise;     ///< file whose weights a fresh run begins with in place of random ones
};

/// How a training ended.
struct TrainingEnd {
  TrainingResult result;
  int signal = 0;                        ///< that ended any of its processes early, or 0
  bilevel::Coin coin;                    ///< with all that it learnt
  std::optional<run::RunDirectory> run;  ///< rank 0's, locked; none in the others
};

/// Trains as `config` says and writes a run directory, alone or as one of the processes that the environment
/// names (find_place): rank 0 alone writes. While it runs, SIGINT and SIGTERM end it after the step at hand
/// (SignalWatch). The log goes to standard error, and into the run directory as well.
/// Throws UserError where config, data or run directory do not allow it, before anything is written; else as
/// Trainer::run does.
TrainingEnd train(const run::Config& config, const TrainingRequest& request);

}  // namespace ufo::train
