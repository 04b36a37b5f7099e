#include "report/tabulate.h"

#include "report/over_seeds.h"

#include <algorithm>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/run/config.h>
#include <ufo/run/evaluation.h>
#include <ufo/run/run_directory.h>

namespace ufo::report {
namespace {

constexpr const char* kIntervals =
    "± over episodes: 1.96 s / √episodes of each episode's mean over the seeds; ± over seeds: t s / √seeds of "
    "the accuracies of the runs (Student's t); both 95%";
constexpr const char* kNotComparable =
    "rows that are not transductive classify each query image by itself; published figures are transductive "
    "unless marked otherwise, and not comparable with these rows";

void add_note(Table& table, const std::string& note) {
  if (std::find(table.notes.begin(), table.notes.end(), note) == table.notes.end()) {
    table.notes.push_back(note);
  }
}

/// What papers report for this cell by other methods, in one line.
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

TableRow make_row(const std::string& run, const run::RunOptions& options,
                  const run::EvaluationResult& result) {
  TableRow row{.run = run,
               .dataset = options.dataset.name + " (" + options.dataset.split + ")",
               .method = bilevel::method_name(options.meta_gradient),
               .ensemble = result.ensemble.size(),
               .ways = result.ways,
               .shots = result.shots,
               .accuracy = 100 * result.accuracy(),
               .interval = 100 * result.interval(),
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

/// A run directory's options and evaluation.
struct EvaluatedRun {
  std::string path;
  run::RunOptions options;
  run::EvaluationResult result;
};

std::vector<EvaluatedRun> load_runs(const std::vector<std::string>& paths, data::Split split) {
  const std::string split_name = data::kSplitNames[static_cast<size_t>(split)];
  std::vector<EvaluatedRun> runs;
  for (const std::string& path : paths) {
    const auto directory = run::RunDirectory::open(path);
    const auto file = directory.evaluation_file(split);
    if (!std::filesystem::exists(file)) {
      throw ConfigError(path + ": its " + split_name + " split was not evaluated yet: ufo-maml evaluate " +
                        path + (split_name == "test" ? "" : " --split " + split_name));
    }
    runs.push_back({path, run::load_config(directory.config_file()).options, run::load_evaluation(file)});
  }
  return runs;
}

/// The row of `runs`, which differ in their seed alone.
TableRow make_row_over_seeds(const std::vector<EvaluatedRun>& runs) {
  std::vector<run::EvaluationResult> results;
  TableRow row = make_row(runs.front().path, runs.front().options, runs.front().result);
  int64_t outer_steps = 0;
  for (const EvaluatedRun& one : runs) {
    row.seeds.push_back(one.options.seed);
    results.push_back(one.result);
    outer_steps += one.result.checkpoint_step;
  }
  const AccuracyOverSeeds accuracy = accuracy_over_seeds(results);
  row.accuracy = 100 * accuracy.mean;
  row.interval = 100 * accuracy.over_episodes;
  if (accuracy.over_seeds) {
    row.interval_over_seeds = 100 * *accuracy.over_seeds;
  }
  row.outer_steps = outer_steps / static_cast<int64_t>(runs.size());
  return row;
}

std::vector<TableRow> rows_over_seeds(const std::vector<EvaluatedRun>& runs) {
  std::vector<run::RunOptions> options;
  for (const EvaluatedRun& one : runs) {
    options.push_back(one.options);
  }
  std::vector<TableRow> rows;
  for (const std::vector<size_t>& group : group_by_seed(options)) {
    std::vector<EvaluatedRun> members;
    for (const size_t i : group) {
      members.push_back(runs[i]);
    }
    rows.push_back(make_row_over_seeds(members));
  }
  return rows;
}

/// What stands below the rows of what others published for their cells.
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

Table tabulate(const std::vector<std::string>& paths, const TableOptions& options) {
  const std::vector<EvaluatedRun> runs = load_runs(paths, options.split);
  Table table{.rows = {}, .show_published = options.published, .over_seeds = options.over_seeds, .notes = {}};
  if (options.over_seeds) {
    table.rows = rows_over_seeds(runs);
    add_note(table, kIntervals);
  }
  for (const EvaluatedRun& one : runs) {
    if (!options.over_seeds) {
      table.rows.push_back(make_row(one.path, one.options, one.result));
    }
    for (const std::string& note : one.result.notes) {
      add_note(table, one.options.dataset.name + ": " + note);
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
