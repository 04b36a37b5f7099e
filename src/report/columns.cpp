#include "report/columns.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ufo/base/text.h>
#include <ufo/run/evaluation.h>

namespace ufo::report {
namespace {

enum class Shown { always, where_rows_differ };

using CellOf = std::function<std::string(const TableRow&)>;

struct Column {
  std::string name;
  Shown shown = Shown::always;
  std::vector<Cell> cells = {};
};

std::string batch_norm_text(const TableRow& row) {
  return row.batch_norm == nn::BatchNorm::batch     ? "transductive"
         : row.batch_norm == nn::BatchNorm::support ? "support statistics"
                                                    : "none";
}

std::string or_dash(const std::string& text) { return text.empty() ? "–" : text; }

std::string count_text(const TableRow& row, const std::optional<int64_t>& count) {
  return count ? (row.cost.estimated ? "≈ " : "") + grouped(*count) : "–";
}

std::string seconds_text(const TableRow& row) {
  if (!row.cost.seconds) {
    return "–";
  }
  return *row.cost.seconds < 100 ? text("%.1f", *row.cost.seconds) : grouped(std::llround(*row.cost.seconds));
}

Cell published_cell(const TableRow& row) {
  return row.published ? Cell{.text = percent_text(row.published->accuracy, row.published->interval),
                              .source = published_source(row)}
                       : Cell{.text = "–"};
}

/// The value of an option without the quotes of JSON.
std::string plain(const std::string& json) {
  return json.size() >= 2 && json.front() == '"' ? json.substr(1, json.size() - 2) : json;
}

std::vector<Column> columns_of(const Table& table) {
  std::vector<Column> columns;
  const auto add = [&](const std::string& name, const CellOf& cell, Shown shown = Shown::always) {
    columns.push_back({.name = name, .shown = shown});
    for (const TableRow& row : table.rows) {
      columns.back().cells.push_back({.text = cell(row)});
    }
  };
  const auto add_setting = [&](const std::string& name, const CellOf& cell) {
    add(name, cell, Shown::where_rows_differ);
  };
  using Row = TableRow;
  add("run", [](const Row& row) { return row.name; });
  add_setting("data set", [](const Row& row) { return row.dataset; });
  add_setting("ways", [](const Row& row) { return std::to_string(row.ways); });
  add_setting("shots", [](const Row& row) { return std::to_string(row.shots); });
  add("method",
      [](const Row& row) { return run::evaluated_name(row.method, row.ensemble, row.ensemble_mean); });
  for (size_t i = 0; i < table.options.size(); ++i) {
    add(table.options[i], [i](const Row& row) { return plain(row.options.at(i)); });
  }
  if (table.over_seeds) {
    add("mean accuracy, %", [](const Row& row) { return percent_text(row.accuracy, 0); });
    add("± over episodes", [](const Row& row) { return percent_text(row.interval, 0); });
    add("± over seeds", [](const Row& row) {
      return row.interval_over_seeds ? percent_text(*row.interval_over_seeds, 0) : "–";
    });
    add("seeds", [](const Row& row) { return std::to_string(row.seeds.size()); });
  } else {
    add("accuracy, %", [](const Row& row) { return percent_text(row.accuracy, row.interval); });
  }
  add("gradient calls", [](const Row& row) { return count_text(row, row.cost.gradient_calls); });
  add("Hessian products", [](const Row& row) { return count_text(row, row.cost.hessian_products); });
  add("training, s", seconds_text);
  add_setting("tasks", [](const Row& row) { return std::to_string(row.tasks); });
  add_setting("inner steps", [](const Row& row) { return std::to_string(row.inner_steps); });
  add_setting("queries", [](const Row& row) { return std::to_string(row.queries); });
  add_setting("batch norm", batch_norm_text);
  add_setting("after step", [](const Row& row) { return std::to_string(row.outer_steps); });
  if (table.show_published) {
    columns.push_back({.name = "published, %"});
    std::transform(table.rows.begin(), table.rows.end(), std::back_inserter(columns.back().cells),
                   published_cell);
    add("verdict", [](const Row& row) { return or_dash(verdict_of(row)); });
  }
  return columns;
}

bool rows_agree(const std::vector<Cell>& cells) {
  return std::adjacent_find(cells.begin(), cells.end(), std::not_equal_to<>()) == cells.end();
}

}  // namespace

std::string with_source(const Cell& cell) {
  return cell.source.empty() ? cell.text : cell.text + " (" + cell.source + ")";
}

Grid grid_of(const Table& table) {
  Grid grid{.shared = {}, .header = {}, .rows = std::vector<std::vector<Cell>>(table.rows.size())};
  for (const Column& column : columns_of(table)) {
    if (column.shown == Shown::where_rows_differ && !column.cells.empty() && rows_agree(column.cells)) {
      grid.shared += (grid.shared.empty() ? "" : "; ") + column.name + ": " + column.cells.front().text;
      continue;
    }
    grid.header.push_back(column.name);
    for (size_t row = 0; row < grid.rows.size(); ++row) {
      grid.rows[row].push_back(column.cells[row]);
    }
  }
  return grid;
}

Grid grid_of(const std::vector<PairedDifference>& pairs) {
  Grid grid{.shared = {},
            .header = {"first", "second", "first − second, %", "tasks", "p (Holm)", "difference"},
            .rows = {}};
  for (const PairedDifference& pair : pairs) {
    grid.rows.push_back({{pair.first_name},
                         {pair.second_name},
                         {difference_text(pair)},
                         {grouped(pair.tasks)},
                         {p_text(pair.p_holm)},
                         {verdict_text(pair)}});
  }
  return grid;
}

}  // namespace ufo::report
