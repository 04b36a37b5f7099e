#include "report/table_format.h"

#include "report/columns.h"
#include "report/csv.h"
#include "run/json.h"

#include <algorithm>
#include <sstream>

#include <ufo/base/printable.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::report {
namespace {

template <class Value>
run::Json or_null(const std::optional<Value>& value) {
  return value ? run::Json(*value) : run::Json(nullptr);
}

/// The fields of a row for programs.
run::Json fields_of(const TableRow& row, const Table& table) {
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
                      {"batch_norm", word_of(row.batch_norm)},
                      {"transductive", row.transductive()},
                      {"outer_steps", row.outer_steps},
                      {"gradient_calls", or_null(row.cost.gradient_calls)},
                      {"hessian_products", or_null(row.cost.hessian_products)},
                      {"training_seconds", or_null(row.cost.seconds)},
                      {"settings", row.settings}};
  for (size_t i = 0; i < table.options.size(); ++i) {
    fields[table.options[i]] = run::Json::parse(row.options.at(i));
  }
  if (!row.seeds.empty()) {
    fields["seeds"] = row.seeds;
    fields["interval_over_episodes"] = row.interval;
    fields["interval_over_seeds"] = or_null(row.interval_over_seeds);
  }
  if (table.show_published) {
    const auto& published = row.published;
    fields["published_accuracy"] = published ? run::Json(published->accuracy) : run::Json(nullptr);
    fields["published_interval"] =
        published && published->interval > 0 ? run::Json(published->interval) : run::Json(nullptr);
    fields["published_source"] = published ? run::Json(published->source) : run::Json(nullptr);
    fields["published_comparable"] = published ? run::Json(comparable(row)) : run::Json(nullptr);
    fields["verdict"] = verdict_of(row).empty() ? run::Json(nullptr) : run::Json(verdict_of(row));
  }
  return fields;
}

run::Json fields_of(const PairedDifference& pair) {
  return {{"first", pair.first_name},  {"second", pair.second_name}, {"difference", pair.mean},
          {"interval", pair.interval}, {"tasks", pair.tasks},        {"p", pair.p},
          {"p_holm", pair.p_holm},     {"seen", pair.seen()},        {"verdict", verdict_text(pair)}};
}

run::Json all_rows(const Table& table) {
  run::Json rows = run::Json::array();
  for (const TableRow& row : table.rows) {
    rows.push_back(fields_of(row, table));
  }
  return rows;
}

run::Json all_pairs(const Table& table) {
  run::Json pairs = run::Json::array();
  for (const PairedDifference& pair : table.pairs) {
    pairs.push_back(fields_of(pair));
  }
  return pairs;
}

/// A value as a CSV field; empty for null.
std::string csv_value(const run::Json& value) {
  if (value.is_null() || value.is_number()) {
    return value.is_null() ? "" : value.dump();
  }
  return csv_field(value.is_string() ? value.get<std::string>() : value.dump());
}

/// The number of characters of UTF-8 text, for alignment.
size_t width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string markdown_cell(const std::string& text) {
  std::string cell;
  for (const char c : printable(text)) {
    cell += c == '|' ? "\\|" : std::string(1, c);
  }
  return cell;
}

std::string markdown_grid(const Grid& grid) {
  std::vector<std::vector<std::string>> lines = {grid.header};
  for (const auto& row : grid.rows) {
    lines.emplace_back();
    for (const Cell& cell : row) {
      lines.back().push_back(markdown_cell(with_source(cell)));
    }
  }
  std::vector<size_t> widths(grid.header.size());
  for (const auto& line : lines) {
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
  return text.str();
}

}  // namespace

std::string to_markdown(const Table& table) {
  const Grid grid = grid_of(table);
  std::string text = grid.shared.empty() ? "" : printable(grid.shared) + "\n\n";
  text += markdown_grid(grid);
  if (table.paired && !table.pairs.empty()) {
    text.append("\n").append(markdown_grid(grid_of(table.pairs)));
  }
  for (size_t i = 0; i < table.notes.size(); ++i) {
    text += (i == 0 ? "\n- " : "- ") + printable(table.notes[i]) + "\n";
  }
  return text;
}

std::string to_csv(const Table& table) {
  const run::Json rows = table.paired ? all_pairs(table) : all_rows(table);
  std::ostringstream text;
  for (size_t i = 0; i < rows.size(); ++i) {
    const char* between = "";
    for (auto field = rows[i].begin(); i == 0 && field != rows[i].end(); ++field, between = ",") {
      text << between << field.key();
    }
    text << (i == 0 ? "\n" : "");
    between = "";
    for (auto field = rows[i].begin(); field != rows[i].end(); ++field, between = ",") {
      text << between << csv_value(field.value());
    }
    text << "\n";
  }
  return text.str();
}

std::string to_json(const Table& table) {
  run::Json json = {{"rows", all_rows(table)}, {"notes", table.notes}};
  if (table.paired) {
    json["pairs"] = all_pairs(table);
  }
  return json.dump(2, ' ', false, run::Json::error_handler_t::replace) + "\n";
}

}  // namespace ufo::report
