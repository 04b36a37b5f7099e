#include "report/table_format.h"

#include "report/csv.h"
#include "run/json.h"

#include <algorithm>
#include <cstdio>
#include <sstream>

#include <ufo/bilevel/estimator.h>
#include <ufo/run/evaluation.h>

namespace ufo::report {
namespace {

using Cells = std::vector<std::string>;

std::string batch_norm_text(const TableRow& row) {
  return row.batch_norm == "batch"     ? "transductive"
         : row.batch_norm == "support" ? "support statistics"
                                       : "none";
}

/// Whether batch norm saw as many query images behind the published figure as in this row. It matters to
/// transductive accuracies alone.
bool same_queries(const TableRow& row) {
  const PublishedResult& result = *row.published;
  return !result.transductive || result.queries == 0 || result.queries == row.queries;
}

/// Whether the published figure was measured in the way of this row.
bool comparable(const TableRow& row) {
  return row.published->transductive == row.transductive() && same_queries(row) && row.ensemble == 0;
}

std::string published_text(const TableRow& row) {
  const PublishedResult& result = *row.published;
  std::string remark;
  if (result.transductive != row.transductive()) {
    remark = result.transductive ? "; transductive, not comparable" : "; not transductive, not comparable";
  } else if (!same_queries(row)) {
    remark = "; with queries = " + std::to_string(result.queries) + ", not comparable";
  } else if (row.ensemble > 0) {
    remark = "; no ensemble, not comparable";
  }
  return percent_text(result.accuracy, result.interval) + " (" + result.source + remark + ")";
}

/// Where the accuracy lies to the published interval; empty where there is none to compare with.
std::string verdict_of(const TableRow& row) {
  return row.published && comparable(row) ? against_published(*row.published, row.accuracy) : "";
}

/// The number of characters of UTF-8 text, for alignment.
size_t width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

std::string latex_escaped(std::string text) {
  for (const char* special : {"&", "%", "_", "#"}) {
    text = replaced(std::move(text), special, std::string("\\") + special);
  }
  return replaced(replaced(std::move(text), "±", "$\\pm$"), "–", "--");
}

std::string latex_line(const Cells& cells) {
  std::string line;
  for (const std::string& cell : cells) {
    line += (line.empty() ? "" : " & ") + latex_escaped(cell);
  }
  return line + " \\\\\n";
}

/// The fields of a row for programs.
run::Json fields_of(const TableRow& row, bool show_published) {
  run::Json fields = {{"run", row.run},
                      {"dataset", row.dataset},
                      {"ways", row.ways},
                      {"shots", row.shots},
                      {"method", row.method},
                      {"ensemble_size", row.ensemble},
                      {"accuracy", row.accuracy},
                      {"interval", row.interval},
                      {"tasks", row.tasks},
                      {"inner_steps", row.inner_steps},
                      {"queries", row.queries},
                      {"batch_norm", row.batch_norm},
                      {"transductive", row.transductive()},
                      {"outer_steps", row.outer_steps}};
  if (!row.seeds.empty()) {
    fields["seeds"] = row.seeds;
    fields["interval_over_episodes"] = row.interval;
    fields["interval_over_seeds"] =
        row.interval_over_seeds ? run::Json(*row.interval_over_seeds) : run::Json(nullptr);
  }
  if (show_published) {
    fields["published_accuracy"] = row.published ? run::Json(row.published->accuracy) : run::Json(nullptr);
    fields["published_interval"] = row.published && row.published->interval > 0
                                       ? run::Json(row.published->interval)
                                       : run::Json(nullptr);
    fields["published_source"] = row.published ? run::Json(row.published->source) : run::Json(nullptr);
    fields["published_comparable"] = row.published ? run::Json(comparable(row)) : run::Json(nullptr);
    fields["verdict"] = verdict_of(row).empty() ? run::Json(nullptr) : run::Json(verdict_of(row));
  }
  return fields;
}

/// A value as a CSV field; empty for null.
std::string csv_value(const run::Json& value) {
  return value.is_null() ? "" : csv_field(value.is_string() ? value.get<std::string>() : value.dump());
}

}  // namespace

Cells table_header(const Table& table) {
  Cells header = {"data set", "ways",        "shots",   "method",     "accuracy, %",
                  "tasks",    "inner steps", "queries", "batch norm", "after step"};
  if (table.over_seeds) {
    header[4] = "mean accuracy, %";
    header.insert(header.begin() + 5, {"± over episodes", "± over seeds", "seeds"});
  }
  if (table.show_published) {
    header.insert(header.end(), {"published, %", "verdict"});
  }
  return header;
}

Cells table_cells(const TableRow& row, bool show_published) {
  Cells cells = {row.dataset,
                 std::to_string(row.ways),
                 std::to_string(row.shots),
                 run::evaluated_name(row.method, row.ensemble),
                 percent_text(row.accuracy, row.interval),
                 std::to_string(row.tasks),
                 std::to_string(row.inner_steps),
                 std::to_string(row.queries),
                 batch_norm_text(row),
                 std::to_string(row.outer_steps)};
  if (!row.seeds.empty()) {
    cells[4] = percent_text(row.accuracy, 0);
    cells.insert(cells.begin() + 5,
                 {percent_text(row.interval, 0),
                  row.interval_over_seeds ? percent_text(*row.interval_over_seeds, 0) : "–",
                  std::to_string(row.seeds.size())});
  }
  if (show_published) {
    cells.push_back(row.published ? published_text(row) : "–");
    cells.push_back(verdict_of(row).empty() ? "–" : verdict_of(row));
  }
  return cells;
}

std::string percent_text(double accuracy, double interval) {
  char text[64];
  if (interval > 0) {
    std::snprintf(text, sizeof text, "%.2f ± %.2f", accuracy, interval);
  } else {
    std::snprintf(text, sizeof text, "%.2f", accuracy);
  }
  return text;
}

std::string to_markdown(const Table& table) {
  std::vector<Cells> lines = {table_header(table)};
  for (const TableRow& row : table.rows) {
    lines.push_back(table_cells(row, table.show_published));
  }
  std::vector<size_t> widths(lines.front().size());
  for (const Cells& line : lines) {
    for (size_t column = 0; column < line.size(); ++column) {
      widths[column] = std::max(widths[column], width(line[column]));
    }
  }
  std::ostringstream text;
  for (size_t i = 0; i < lines.size(); ++i) {
    for (size_t column = 0; column < widths.size(); ++column) {
      const std::string& cell = lines[i][column];
      text << "| " << cell << std::string(widths[column] - width(cell) + 1, ' ');
    }
    text << "|\n";
    for (size_t column = 0; i == 0 && column < widths.size(); ++column) {
      text << '|' << std::string(widths[column] + 2, '-');
    }
    text << (i == 0 ? "|\n" : "");
  }
  for (size_t i = 0; i < table.notes.size(); ++i) {
    text << (i == 0 ? "\n- " : "- ") << table.notes[i] << "\n";
  }
  return text.str();
}

std::string to_latex(const Table& table) {
  const Cells header = table_header(table);
  std::string text =
      "% needs \\usepackage{booktabs}\n\\begin{tabular}{l" + std::string(header.size() - 1, 'r') + "}\n";
  text += "\\toprule\n" + latex_line(header) + "\\midrule\n";
  for (const TableRow& row : table.rows) {
    text += latex_line(table_cells(row, table.show_published));
  }
  text += "\\bottomrule\n\\end{tabular}\n";
  for (const std::string& note : table.notes) {
    text += "% " + note + "\n";
  }
  return text;
}

std::string to_csv(const Table& table) {
  std::ostringstream text;
  for (size_t i = 0; i < table.rows.size(); ++i) {
    const run::Json fields = fields_of(table.rows[i], table.show_published);
    const char* between = "";
    for (auto field = fields.begin(); i == 0 && field != fields.end(); ++field, between = ",") {
      text << between << field.key();
    }
    text << (i == 0 ? "\n" : "");
    between = "";
    for (auto field = fields.begin(); field != fields.end(); ++field, between = ",") {
      text << between << csv_value(field.value());
    }
    text << "\n";
  }
  return text.str();
}

std::string to_json(const Table& table) {
  run::Json rows = run::Json::array();
  for (const TableRow& row : table.rows) {
    rows.push_back(fields_of(row, table.show_published));
  }
  return run::Json{{"rows", std::move(rows)}, {"notes", table.notes}}.dump(2) + "\n";
}

}  // namespace ufo::report
