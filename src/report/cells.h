#pragma once

#include "run/record.h"

#include <string>
#include <vector>

namespace ufo::report {

// What the tables of a report are made of.

using Cells = std::vector<std::string>;

/// <thead> with the names of the columns.
std::string head_row(const Cells& names);

/// The cell that names the run `index` of `runs`, in its colour; `scope` is "row" or "col".
std::string run_cell(const std::vector<run::RunRecord>& runs, size_t index, const char* scope = "row");

/// The same with what was evaluated of the run.
std::string evaluated_cell(const std::vector<run::RunRecord>& runs, size_t index);

/// A <td> for each of `cells`, which are plain text.
std::string body_cells(const Cells& cells);

/// A <table> that scrolls by itself where it is wider than the page.
std::string table_of(const std::string& head, const std::string& rows, const std::string& attributes = "");

}  // namespace ufo::report
