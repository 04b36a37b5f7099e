#pragma once

#include "report/table_format.h"

#include <string>
#include <vector>

#include <ufo/data/dataset.h>

namespace ufo::report {

/// What of the runs a table shows.
struct TableOptions {
  data::Split split = data::Split::test;
  bool published = false;   ///< what papers report for the same cells
  bool over_seeds = false;  ///< runs that differ in their seed alone as one row, their mean
};

/// The evaluations of the run directories `runs`, a row each, in their order. Throws ConfigError for a run
/// that was not evaluated, or over seeds on other episodes than those it belongs to; DataError for an
/// evaluation that is damaged.
Table tabulate(const std::vector<std::string>& runs, const TableOptions& options);

}  // namespace ufo::report
