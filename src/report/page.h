#pragma once

#include "report/table_format.h"
#include "run/record.h"

#include <string>
#include <vector>

namespace ufo::report {

/// The report on `runs` as one HTML page that needs nothing else: no network, no script. `evaluations` has a
/// row for each run with an evaluation, in the order of `runs`, with published figures. The page is
/// well-formed XML too.
std::string report_page(const std::vector<run::RunRecord>& runs, const Table& evaluations);

}  // namespace ufo::report
