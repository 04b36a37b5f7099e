#pragma once

#include "run/record.h"

#include <string>
#include <vector>

namespace ufo::report {

/// Runs that are shown beside each other, behind them their further evaluations, and a line for each folder
/// that was passed over.
struct Runs {
  std::vector<run::RunRecord> records;
  std::vector<std::string> left_out;
};

/// Reads the run directories `paths` and all their evaluations on `split`; runs of one name go by their
/// paths. Folders that `experiment` wrote are passed over. Throws ConfigError where a path holds neither, or
/// where no run is left; DataError for a damaged evaluation.
Runs read_runs(const std::vector<std::string>& paths, data::Split split);

/// Throws ConfigError with the command to type unless each of `runs` was evaluated on `split`.
void require_evaluations(const std::vector<run::RunRecord>& runs, data::Split split);

}  // namespace ufo::report
