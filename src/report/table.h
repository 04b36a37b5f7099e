#pragma once

#include "report/paired.h"
#include "report/published.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ufo/nn/network.h>

namespace ufo::report {

/// What a training took; of several seeds, the mean. None: not recorded.
struct TrainingCost {
  std::optional<int64_t> gradient_calls, hessian_products;  ///< of all tasks together
  std::optional<double> seconds;                            ///< of all sessions, validation included
  bool estimated = false;  ///< whether the counts are those of the logged steps, taken to all
};

/// One evaluated run. Accuracies in percent.
struct TableRow {
  std::string run;            ///< path, as the user wrote it
  std::string name = {};      ///< that tells it from the other rows
  std::string settings = {};  ///< of an evaluation by others than the config's: "steps10_last"
  std::string dataset;        ///< with its split scheme, e.g. "omniglot (maml)"
  std::string method;
  size_t ensemble = 0;  ///< members of the ensemble that was evaluated; 0: one checkpoint alone
  run::EnsembleMean ensemble_mean = run::EnsembleMean::probabilities;
  std::vector<std::string> options = {};  ///< values of Table::options, as JSON
  int64_t ways = 0, shots = 0;
  double accuracy = 0;
  double interval = 0;  ///< half the 95% interval over the episodes
  TrainingCost cost = {};
  int64_t tasks = 0, inner_steps = 0, queries = 0;
  nn::BatchNorm batch_norm = nn::BatchNorm::batch;
  int64_t outer_steps = 0;          ///< of several seeds, the mean
  std::vector<int64_t> seeds = {};  ///< of the runs that the row is the mean of; none: it is one run
  std::optional<double> interval_over_seeds = {};  ///< half the 95% interval over these; none: one seed
  std::optional<PublishedResult> published;        ///< of the same method

  /// Whether all query images together decide on each.
  bool transductive() const { return batch_norm == nn::BatchNorm::batch; }
};

/// Rows, and what must be said below them.
struct Table {
  std::vector<TableRow> rows;
  std::vector<std::string> options =
      {};  ///< paths of the options in which rows differ, beside those with a column
  bool show_published = false;
  bool over_seeds = false;  ///< whether each row is the mean over the seeds of a recipe
  bool paired = false;      ///< whether `pairs` are to be shown
  std::vector<PairedDifference> pairs = {};
  std::vector<std::string> notes = {};
};

/// Whether the published figure of `row`, which must have one, was measured in the way of the row.
bool comparable(const TableRow& row);

/// Where the published figure of `row` is from, and why it is not comparable where it is not.
std::string published_source(const TableRow& row);

/// Where the accuracy lies to the published interval; empty where there is none to compare with.
std::string verdict_of(const TableRow& row);

/// "98.70 ± 0.40", or "99.47" where there is no interval.
std::string percent_text(double accuracy, double interval);

}  // namespace ufo::report
