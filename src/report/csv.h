#pragma once

#include <string>

namespace ufo::report {

/// `text` from outside, as printable() shows it, as a field of a CSV file (RFC 4180): quoted where it has a
/// comma or a quote, and behind a ' where a spreadsheet would take it for a formula (=, +, -, @).
std::string csv_field(const std::string& text);

}  // namespace ufo::report
