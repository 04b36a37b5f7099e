#pragma once

#include "report/paired.h"
#include "report/table_format.h"

#include <string>
#include <vector>

namespace ufo::report {

/// A cell of a table for readers; `source` says where its figure is from, "" where it is our own.
struct Cell {
  std::string text;
  std::string source = {};

  bool operator==(const Cell&) const = default;
};

/// The cell on one line: "98.70 ± 0.40 (arXiv 1703.03400)".
std::string with_source(const Cell& cell);

/// A table as a reader sees it.
struct Grid {
  /// The columns in which all rows agree, as "ways: 5; shots: 1"; "" where there are none.
  std::string shared;
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> rows;
};

/// The rows of `table`. The first column names the run; it, the method, accuracies, costs and published
/// figures are columns always, the others where rows differ.
Grid grid_of(const Table& table);

/// The differences of pairs.
Grid grid_of(const std::vector<PairedDifference>& pairs);

}  // namespace ufo::report
