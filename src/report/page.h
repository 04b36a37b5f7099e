#pragma once

#include "report/table_format.h"
#include "run/record.h"

#include <string>
#include <vector>

namespace ufo::report {

/// The report on `records`, runs and behind them their further evaluations, as one HTML page that needs
/// nothing else: no network, no script. `evaluations` has a row for each record with an evaluation, in their
/// order, with published figures. The page is well-formed XML too.
std::string report_page(const std::vector<run::RunRecord>& records, const Table& evaluations);

}  // namespace ufo::report
