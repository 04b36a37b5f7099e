#pragma once

#include "report/table.h"

#include <string>

namespace ufo::report {

// A table as text. The columns in which all rows agree stand above it; to programs, CSV and JSON, each row
// says them.

/// Aligned columns; paired differences below.
std::string to_markdown(const Table& table);

/// Tables by booktabs that are made smaller where they are wider than a line; shared columns are in the
/// caption, sources and remarks are notes.
std::string to_latex(const Table& table);

/// A line a row; where the table has paired differences, a line a pair instead: a file is one table.
std::string to_csv(const Table& table);

std::string to_json(const Table& table);

}  // namespace ufo::report
