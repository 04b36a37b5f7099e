#include "report/tabulate.h"

#include <algorithm>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/run/config.h>
#include <ufo/run/evaluation.h>
#include <ufo/run/run_directory.h>

namespace ufo::report {
namespace {

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

}  // namespace

Table tabulate(const std::vector<std::string>& runs, data::Split split, bool published) {
  const std::string split_name = data::kSplitNames[static_cast<size_t>(split)];
  Table table{.rows = {}, .show_published = published, .notes = {}};
  std::vector<std::string> datasets;
  for (const std::string& run : runs) {
    const auto directory = run::RunDirectory::open(run);
    const auto file = directory.evaluation_file(split);
    if (!std::filesystem::exists(file)) {
      throw ConfigError(run + ": its " + split_name + " split was not evaluated yet: ufo-maml evaluate " +
                        run + (split_name == "test" ? "" : " --split " + split_name));
    }
    const auto options = run::load_config(directory.config_file()).options;
    const auto result = run::load_evaluation(file);
    table.rows.push_back(make_row(run, options, result));
    datasets.push_back(options.dataset.name);
    for (const std::string& note : result.notes) {
      add_note(table, options.dataset.name + ": " + note);
    }
  }
  if (split != data::Split::test) {
    add_note(table, "accuracies on the " + split_name + " split");
  }
  for (size_t i = 0; published && i < table.rows.size(); ++i) {
    const auto& row = table.rows[i];
    const std::string others = others_published(datasets[i], row.ways, row.shots, table);
    if (!others.empty()) {
      if (!row.transductive()) {
        add_note(table, kNotComparable);
      }
      add_note(table, "published for " + datasets[i] + " " + std::to_string(row.ways) + "-way " +
                          std::to_string(row.shots) + "-shot by others: " + others);
    }
  }
  return table;
}

}  // namespace ufo::report
