#pragma once

#include <string>

namespace ufo::report {

/// `text` as a field of a CSV file (RFC 4180): quoted where it has a comma, a quote or a line break.
std::string csv_field(const std::string& text);

}  // namespace ufo::report
