#pragma once

#include "report/published.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ufo::report {

/// One evaluated run. Accuracies in percent.
struct TableRow {
  std::string run;
  std::string dataset;  ///< with its split scheme, e.g. "omniglot (maml)"
  std::string method;
  size_t ensemble = 0;  ///< members of the ensemble that was evaluated; 0: one checkpoint alone
  int64_t ways = 0, shots = 0;
  double accuracy = 0;
  double interval = 0;  ///< half the 95% interval over the episodes
  int64_t tasks = 0, inner_steps = 0, queries = 0;
  std::string batch_norm = "batch";  ///< mode, as nn::to_string gives it
  int64_t outer_steps = 0;           ///< of several seeds, the mean
  std::vector<int64_t> seeds = {};   ///< of the runs that the row is the mean of; none: it is one run
  std::optional<double> interval_over_seeds = {};  ///< half the 95% interval over these; none: one seed
  std::optional<PublishedResult> published;        ///< of the same method

  /// Whether all query images together decide on each.
  bool transductive() const { return batch_norm == "batch"; }
};

/// Rows, and what must be said below them.
struct Table {
  std::vector<TableRow> rows;
  bool show_published = false;
  bool over_seeds = false;  ///< whether each row is the mean over the seeds of a recipe
  std::vector<std::string> notes;
};

/// The columns of `table` as a reader sees them, and the cells of one of its rows.
std::vector<std::string> table_header(const Table& table);
std::vector<std::string> table_cells(const TableRow& row, bool show_published);

/// `table` as text. Markdown has its columns aligned, LaTeX is a booktabs tabular.
std::string to_markdown(const Table& table);
std::string to_latex(const Table& table);
std::string to_csv(const Table& table);
std::string to_json(const Table& table);

/// "98.70 ± 0.40", or "99.47" where there is no interval.
std::string percent_text(double accuracy, double interval);

}  // namespace ufo::report
