#include "report/cells.h"
#include "report/columns.h"
#include "report/html.h"
#include "report/parts.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include <ufo/base/text.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/run/config.h>

namespace ufo::report {
namespace {

double median(const run::Curve& curve) {
  std::vector<double> values;
  for (const run::Point& point : curve) {
    values.push_back(point.y);
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
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
          duration_text(training.seconds),
          training.seconds > 0 ? fixed(static_cast<double>(training.steps) / training.seconds, 2) : "–",
          training.tasks_per_second.empty() ? "–" : fixed(median(training.tasks_per_second), 0),
          in_all(training, training.gradient_calls),
          in_all(training, training.hessian_products),
          coins ? in_all(training, training.exact_tasks) : "–"};
}

}  // namespace

std::string accuracy_table(const std::vector<run::RunRecord>& runs, const Table& evaluations) {
  const Grid grid = grid_of(evaluations);
  std::string rows, remarks;
  auto row = grid.rows.begin();
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].evaluation) {
      Cells cells;
      std::transform(row->begin() + 1, row->end(), std::back_inserter(cells), with_source);
      rows += element("tr", run_cell(runs, i) + body_cells(cells)) + "\n";
      ++row;
    }
  }
  for (const std::string& note : evaluations.notes) {
    remarks += element("li", escaped(note));
  }
  return (grid.shared.empty() ? "" : element("p", escaped(grid.shared), "class=\"caption\"")) +
         table_of(head_row(grid.header), rows) +
         element(
             "p",
             "Accuracy: mean over the tasks ± 1.96 s / √tasks, a 95% interval. Queries: query images a "
             "class. Gradient calls and Hessian products: of all tasks together. Training: of all sessions, "
             "validation included.",
             "class=\"caption\"") +
         (remarks.empty() ? "" : element("ul", remarks, "class=\"remarks\"")) + "\n";
}

std::string paired_table(const std::vector<run::RunRecord>& runs, const Table& evaluations) {
  if (evaluations.pairs.empty()) {
    return "";
  }
  const Grid grid = grid_of(evaluations.pairs);
  std::string rows;
  for (size_t i = 0; i < grid.rows.size(); ++i) {
    const PairedDifference& pair = evaluations.pairs[i];
    Cells cells;
    std::transform(grid.rows[i].begin() + 2, grid.rows[i].end(), std::back_inserter(cells), with_source);
    rows += element("tr", evaluated_cell(runs, pair.first) + evaluated_cell(runs, pair.second) +
                              body_cells(cells)) +
            "\n";
  }
  return element("h3", "Paired differences") + "\n" + table_of(head_row(grid.header), rows);
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

std::string inner_rate_table(const std::vector<run::RunRecord>& runs) {
  std::string tables;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& layers = runs[i].training.inner_rates;
    size_t steps = 0;
    double largest = 0;
    for (const auto& [layer, rates] : layers) {
      steps = std::max(steps, rates.size());
      largest = std::accumulate(rates.begin(), rates.end(), largest,
                                [](double a, double b) { return std::max(a, b); });
    }
    if (steps == 0) {
      continue;
    }
    std::vector<std::string> head = {runs[i].name};
    for (size_t step = 1; step <= steps; ++step) {
      head.push_back(steps == 1 ? "every step" : "step " + std::to_string(step));
    }
    std::string rows;
    for (const auto& [layer, rates] : layers) {
      std::string cells = element("th", escaped(layer));
      for (const double rate : rates) {
        const double share = largest > 0 ? std::clamp(rate / largest, 0.0, 1.0) : 0;
        cells += element("td", fixed(rate, 4),
                         "style=\"background:rgba(31,119,180," + fixed(share / 2, 2) + ")\"");
      }
      rows += element("tr", cells) + "\n";
    }
    tables += table_of(head_row(head), rows);
  }
  return tables.empty() ? ""
                        : tables +
                              element("p",
                                      "As the last validation found them; a layer's parameters share a rate, "
                                      "or the figure is the mean of theirs.",
                                      "class=\"caption\"") +
                              "\n";
}

}  // namespace ufo::report
