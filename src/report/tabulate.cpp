#include "report/tabulate.h"

#include "report/over_seeds.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <type_traits>

#include <ufo/base/error.h>
#include <ufo/run/config.h>
#include <ufo/run/method_name.h>

namespace ufo::report {
namespace {

constexpr const char* kIntervals =
    "± over episodes: 1.96 s / √episodes of each episode's mean over the seeds; ± over seeds: t s / √seeds of "
    "the accuracies of the runs (Student's t); both 95%";
constexpr const char* kPairs =
    "differences: taken episode by episode on the same episodes, so that the luck of the draw falls out; p: "
    "two-sided, by Holm over the pairs shown; runs on other episodes are in no pair";
constexpr const char* kNoPairs = "no two runs were evaluated on the same episodes, so that none are paired";
constexpr const char* kNotComparable =
    "rows that are not transductive classify each query image by itself; published figures are transductive "
    "unless marked otherwise, and not comparable with these rows";

/// Options that a column of their own tells, and those that change nothing of what is computed.
const std::vector<std::string> kToldElsewhere = {
    "dataset.name",    "dataset.split",   "dataset.root",
    "episode.ways",    "episode.shots",   "meta_gradient.estimator",
    "meta_gradient.q", "evaluation",      "device",
    "log_every",       "checkpoint_every"};

void add_note(Table& table, const std::string& note) {
  if (std::find(table.notes.begin(), table.notes.end(), note) == table.notes.end()) {
    table.notes.push_back(note);
  }
}

/// What papers report for this setting by other methods, in one line.
std::string others_published(const std::string& dataset, int64_t ways, int64_t shots, const Table& table) {
  std::string text;
  for (const PublishedResult& result : published_results(dataset, ways, shots)) {
    const bool shown = std::any_of(table.rows.begin(), table.rows.end(), [&](const TableRow& row) {
      return row.published && std::string(row.published->method) == result.method &&
             row.published->transductive == result.transductive && row.ways == ways && row.shots == shots;
    });
    if (!shown) {
      text += text.empty() ? "" : "; ";
      text += std::string(result.method) + " " + percent_text(result.accuracy, result.interval) + " (" +
              result.source + (result.transductive ? "" : ", not transductive") +
              (*result.remark ? ", " : "") + result.remark + ")";
    }
  }
  return text;
}

/// What metrics.jsonl says that the training took.
TrainingCost cost_of(const run::TrainingRecord& training) {
  TrainingCost cost;
  if (training.steps > 0) {
    cost.seconds = training.seconds;
  }
  if (training.gradient_calls > 0) {  // older runs did not count them
    cost.gradient_calls = std::llround(training.in_all(training.gradient_calls));
    cost.hessian_products = std::llround(training.in_all(training.hessian_products));
    cost.estimated = training.logged_steps < training.steps;
  }
  return cost;
}

TableRow make_row(const run::RunRecord& run) {
  const run::RunOptions& options = run.options;
  const run::EvaluationResult& result = *run.evaluation;
  TableRow row{.run = run.path,
               .name = run.name,
               .settings = run.settings,
               .dataset = options.dataset.name + " (" + options.dataset.split + ")",
               .method = run::method_of(options, result),
               .ensemble = result.ensemble.size(),
               .ensemble_mean = result.ensemble_mean,
               .ways = result.ways,
               .shots = result.shots,
               .accuracy = 100 * result.accuracy(),
               .interval = 100 * result.interval(),
               .cost = cost_of(run.training),
               .tasks = result.tasks,
               .inner_steps = result.inner_steps,
               .queries = result.queries,
               .batch_norm = result.batch_norm,
               .outer_steps = result.checkpoint_step,
               .published = {}};
  for (const PublishedResult& published : published_results(options.dataset.name, row.ways, row.shots)) {
    // A figure of the row's own way wins; failing that another is shown, and marked.
    const bool better = !row.published || published.transductive == row.transductive();
    if (row.method == published.method && better) {
      row.published = published;
    }
  }
  return row;
}

/// Their mean; none where a run has none.
TrainingCost mean_cost(const std::vector<run::RunRecord>& runs) {
  TrainingCost mean{.gradient_calls = 0, .hessian_products = 0, .seconds = 0};
  const auto add = [](auto& sum, const auto& value) {
    sum = sum && value ? std::optional(*sum + *value) : std::nullopt;
  };
  for (const run::RunRecord& run : runs) {
    const TrainingCost cost = cost_of(run.training);
    add(mean.gradient_calls, cost.gradient_calls);
    add(mean.hessian_products, cost.hessian_products);
    add(mean.seconds, cost.seconds);
    mean.estimated = mean.estimated || cost.estimated;
  }
  const auto divide = [&](auto& sum) {
    if (sum) {
      *sum /= static_cast<std::remove_reference_t<decltype(*sum)>>(runs.size());
    }
  };
  divide(mean.gradient_calls);
  divide(mean.hessian_products);
  divide(mean.seconds);
  return mean;
}

/// The row of `runs`, which differ in their seed alone.
TableRow make_row_over_seeds(const std::vector<run::RunRecord>& runs) {
  std::vector<run::EvaluationResult> results;
  TableRow row = make_row(runs.front());
  int64_t outer_steps = 0;
  for (const run::RunRecord& run : runs) {
    row.seeds.push_back(run.options.seed);
    results.push_back(*run.evaluation);
    outer_steps += run.evaluation->checkpoint_step;
  }
  const AccuracyOverSeeds accuracy = accuracy_over_seeds(results);
  row.accuracy = 100 * accuracy.mean;
  row.interval = 100 * accuracy.over_episodes;
  if (accuracy.over_seeds) {
    row.interval_over_seeds = 100 * *accuracy.over_seeds;
  }
  row.outer_steps = outer_steps / static_cast<int64_t>(runs.size());
  row.cost = mean_cost(runs);
  if (runs.size() > 1) {
    row.name += " and " + std::to_string(runs.size() - 1) + " more";
  }
  return row;
}

std::vector<run::RunOptions> options_of(const std::vector<run::RunRecord>& runs) {
  std::vector<run::RunOptions> options;
  for (const run::RunRecord& run : runs) {
    options.push_back(run.options);
  }
  return options;
}

/// The runs of each row.
std::vector<std::vector<run::RunRecord>> rows_of(const std::vector<run::RunRecord>& runs, bool over_seeds) {
  std::vector<std::vector<run::RunRecord>> rows;
  if (!over_seeds) {
    for (const run::RunRecord& run : runs) {
      rows.push_back({run});
    }
    return rows;
  }
  std::map<std::string, std::vector<run::RunRecord>> by_settings;
  for (const run::RunRecord& run : runs) {
    by_settings[run.settings].push_back(run);
  }
  for (const auto& [settings, alike] : by_settings) {
    for (const std::vector<size_t>& group : group_by_seed(options_of(alike))) {
      rows.emplace_back();
      for (const size_t i : group) {
        rows.back().push_back(alike[i]);
      }
    }
  }
  return rows;
}

/// Gives `table` the options in which its rows differ, as the first run of each row has them.
void add_options(Table& table, const std::vector<run::RunRecord>& firsts) {
  std::vector<std::string> told = kToldElsewhere;
  if (table.over_seeds) {
    told.push_back("seed");
  }
  for (const run::DifferingOption& option : run::differing_options(options_of(firsts), told)) {
    table.options.push_back(option.path);
    for (size_t row = 0; row < table.rows.size(); ++row) {
      table.rows[row].options.push_back(option.values[row]);
    }
  }
}

/// What stands below the rows of what others published for their settings.
void add_published_notes(Table& table) {
  for (const TableRow& row : table.rows) {
    const std::string dataset = row.dataset.substr(0, row.dataset.find(' '));  // without the split
    const std::string others = others_published(dataset, row.ways, row.shots, table);
    if (!others.empty()) {
      if (!row.transductive()) {
        add_note(table, kNotComparable);
      }
      add_note(table, "published for " + dataset + " " + std::to_string(row.ways) + "-way " +
                          std::to_string(row.shots) + "-shot by others: " + others);
    }
  }
}

}  // namespace

Table tabulate(const std::vector<run::RunRecord>& runs, const TableOptions& options) {
  Table table{.rows = {}, .show_published = options.published, .over_seeds = options.over_seeds};
  std::vector<run::RunRecord> evaluated, firsts;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(evaluated),
               [](const run::RunRecord& run) { return run.evaluation.has_value(); });
  for (const std::vector<run::RunRecord>& members : rows_of(evaluated, options.over_seeds)) {
    table.rows.push_back(options.over_seeds ? make_row_over_seeds(members) : make_row(members.front()));
    firsts.push_back(members.front());
  }
  add_options(table, firsts);
  if (options.paired) {
    table.paired = true;
    table.pairs = paired_differences(runs);
    add_note(table, table.pairs.empty() ? kNoPairs : kPairs);
  }
  if (options.over_seeds) {
    add_note(table, kIntervals);
  }
  for (const run::RunRecord& run : evaluated) {
    for (const std::string& note : run.evaluation->notes) {
      add_note(table, run.options.dataset.name + ": " + note);
    }
  }
  if (options.split != data::Split::test) {
    add_note(table, std::string("accuracies on the ") +
                        data::kSplitNames[static_cast<size_t>(options.split)] + " split");
  }
  if (options.published) {
    add_published_notes(table);
  }
  return table;
}

}  // namespace ufo::report
