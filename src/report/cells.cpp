#include "report/cells.h"

#include "report/chart.h"
#include "report/html.h"

namespace ufo::report {
namespace {

/// Keeps "98.70 ± 0.40" on one line.
std::string unbroken(std::string text) {
  const std::string before = " ± ", after = "\u00a0±\u00a0";
  for (size_t at = 0; (at = text.find(before, at)) != std::string::npos; at += after.size()) {
    text.replace(at, before.size(), after);
  }
  return text;
}

std::string named_cell(const std::string& name, size_t index, const std::string& scope) {
  return element("th",
                 element("span", escaped(name), "class=\"run c" + std::to_string(index % kColours) + "\""),
                 "scope=\"" + scope + "\"");
}

}  // namespace

std::string head_row(const Cells& names) {
  std::string cells;
  for (const std::string& name : names) {
    cells += element("th", escaped(name), "scope=\"col\"");
  }
  return element("thead", element("tr", cells));
}

std::string run_cell(const std::vector<run::RunRecord>& runs, size_t index, const char* scope) {
  return named_cell(runs[index].name, index, scope);
}

std::string evaluated_cell(const std::vector<run::RunRecord>& runs, size_t index) {
  return named_cell(runs[index].evaluated(), index, "row");
}

std::string body_cells(const Cells& cells) {
  std::string row;
  for (const std::string& cell : cells) {
    row += element("td", unbroken(escaped(cell)));
  }
  return row;
}

std::string table_of(const std::string& head, const std::string& rows, const std::string& attributes) {
  return element("div", element("table", head + "\n" + element("tbody", rows), attributes),
                 "class=\"wide\"") +
         "\n";
}

}  // namespace ufo::report
