#include "report/cells.h"
#include "report/html.h"
#include "report/parts.h"

#include <algorithm>
#include <cmath>

#include <ufo/base/text.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/run/config.h>

namespace ufo::report {
namespace {

std::string time_text(double seconds) {
  const int64_t whole = std::llround(seconds);
  if (whole < 60) {
    return fixed(seconds, 1) + " s";
  }
  const int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  return whole < 3600 ? joined(minutes, " min ", whole % 60, " s") : joined(hours, " h ", minutes, " min");
}

double median(const run::Curve& curve) {
  std::vector<double> values;
  for (const run::Point& point : curve) {
    values.push_back(point.y);
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// "+1.20 ± 0.30", "−0.05 ± 0.32".
std::string signed_percent(double mean, double interval) {
  return joined(mean < 0 ? "−" : "+", percent_text(std::abs(mean), interval));
}

/// Whether the episodes of two evaluations come from the same classes and images; paired_difference compares
/// the rest.
bool same_images(const run::RunRecord& a, const run::RunRecord& b) {
  run::RunOptions one, other;
  one.dataset = a.options.dataset;
  other.dataset = b.options.dataset;
  return !run::first_difference(one, other, {"dataset.root"});
}

bool same_episodes(const run::EvaluationResult& a, const run::EvaluationResult& b) {
  return a.split == b.split && a.seed == b.seed && a.tasks == b.tasks && a.ways == b.ways &&
         a.shots == b.shots && a.queries == b.queries;
}

std::string in_all(const run::TrainingRecord& training, int64_t count) {
  if (training.gradient_calls == 0) {
    return "not counted";
  }
  return (training.logged_steps < training.steps ? "≈ " : "") + grouped(std::llround(training.in_all(count)));
}

Cells cost_cells(const run::RunRecord& run) {
  const run::TrainingRecord& training = run.training;
  const bool coins = bilevel::tosses_coins(run.options.meta_gradient);
  return {grouped(training.steps),
          time_text(training.seconds),
          training.seconds > 0 ? fixed(static_cast<double>(training.steps) / training.seconds, 2) : "–",
          training.tasks_per_second.empty() ? "–" : fixed(median(training.tasks_per_second), 0),
          in_all(training, training.gradient_calls),
          in_all(training, training.hessian_products),
          coins ? in_all(training, training.exact_tasks) : "–"};
}

}  // namespace

std::string accuracy_table(const std::vector<run::RunRecord>& runs, const Table& evaluations) {
  Cells names = table_header(evaluations);
  names.insert(names.begin(), "run");
  std::string rows, remarks;
  auto row = evaluations.rows.begin();
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].evaluation) {
      rows += element("tr", run_cell(runs, i) + body_cells(table_cells(*row++, evaluations.show_published))) +
              "\n";
    }
  }
  for (const std::string& note : evaluations.notes) {
    remarks += element("li", escaped(note));
  }
  return table_of(head_row(names), rows) +
         element("p",
                 "Accuracy: mean over the tasks ± 1.96 s / √tasks, a 95% interval. Queries: query images a "
                 "class.",
                 "class=\"caption\"") +
         (remarks.empty() ? "" : element("ul", remarks, "class=\"remarks\"")) + "\n";
}

std::string paired_differences(const std::vector<run::RunRecord>& runs) {
  std::string rows;
  for (size_t i = 0; i < runs.size(); ++i) {
    for (size_t j = i + 1; j < runs.size(); ++j) {
      const auto &a = runs[i].evaluation, &b = runs[j].evaluation;
      if (!a || !b || !same_episodes(*a, *b) || !same_images(runs[i], runs[j])) {
        continue;
      }
      const auto difference = run::paired_difference(*a, *b);
      const double mean = 100 * difference.mean, interval = 100 * difference.interval;
      const std::string sees = std::abs(mean) <= interval ? "not seen: the interval holds 0"
                               : mean > 0                 ? runs[i].evaluated() + " is better"
                                                          : runs[j].evaluated() + " is better";
      rows += element("tr", evaluated_cell(runs, i) + evaluated_cell(runs, j) +
                                body_cells({signed_percent(mean, interval), grouped(a->tasks), sees})) +
              "\n";
    }
  }
  return rows.empty()
             ? ""
             : element("h3", "Paired differences") + "\n" +
                   table_of(head_row({"first", "second", "first − second, %", "tasks", "difference"}), rows) +
                   element("p",
                           "Taken episode by episode on the same episodes, so that the luck of the "
                           "draw falls out.",
                           "class=\"caption\"") +
                   "\n";
}

std::string cost_table(const std::vector<run::RunRecord>& runs) {
  std::string rows;
  bool estimated = false;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].training.logged_steps > 0) {
      rows += element("tr", run_cell(runs, i) + body_cells(cost_cells(runs[i]))) + "\n";
      estimated = estimated || runs[i].training.logged_steps < runs[i].training.steps;
    }
  }
  if (rows.empty()) {
    return "";
  }
  return table_of(head_row({"run", "outer steps", "time", "outer steps a second", "tasks a second",
                            "gradient calls", "Hessian products", "exact tasks"}),
                  rows) +
         element(
             "p",
             std::string("Time and outer steps a second are of all sessions, validation included; tasks a "
                         "second is the median of the training steps alone. Gradient calls and Hessian "
                         "products are those of all tasks together.") +
                 (estimated ? " ≈: from the steps that have a line in metrics.jsonl." : ""),
             "class=\"caption\"") +
         "\n";
}

}  // namespace ufo::report
