#pragma once

#include "report/table.h"
#include "run/record.h"

#include <vector>

namespace ufo::report {

/// What of the runs a table shows.
struct TableOptions {
  data::Split split = data::Split::test;
  bool published = false;   ///< what papers report for the same settings
  bool over_seeds = false;  ///< runs that differ in their seed alone as one row, their mean
  bool paired = false;      ///< the differences of pairs of runs on the same episodes
};

/// The evaluations of `runs`, a row each, in their order; runs without one have none. Throws ConfigError over
/// seeds where a run was evaluated on other episodes than those it belongs to.
Table tabulate(const std::vector<run::RunRecord>& runs, const TableOptions& options);

}  // namespace ufo::report
