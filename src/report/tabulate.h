#pragma once

#include "report/table_format.h"

#include <string>
#include <vector>

#include <ufo/data/dataset.h>

namespace ufo::report {

/// The evaluations of the run directories `runs` on `split`, a row each, in their order; with `published`
/// what papers report for the same cells. Throws ConfigError for a run that was not evaluated, DataError for
/// an evaluation that is damaged.
Table tabulate(const std::vector<std::string>& runs, data::Split split, bool published);

}  // namespace ufo::report
