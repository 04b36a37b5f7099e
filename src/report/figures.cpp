#include "report/chart.h"
#include "report/html.h"
#include "report/over_seeds.h"
#include "report/parts.h"

#include <algorithm>

namespace ufo::report {
namespace {

/// Points of a curve that is drawn as it is, and of one that is smoothed: at least kSmoothing records go into
/// a point of the latter where the run is long enough for that.
constexpr size_t kPoints = 400, kSmoothPoints = 200, kFewestSmoothPoints = 30, kSmoothing = 20;

run::Curve smoothed(const run::Curve& curve) {
  return run::thinned(curve, std::clamp(curve.size() / kSmoothing, kFewestSmoothPoints, kSmoothPoints));
}

run::Curve in_percent(run::Curve curve) {
  for (run::Point& point : curve) {
    point.y *= 100;
  }
  return curve;
}

/// A figure of one legend and some panels; a caption below.
std::string figure(const std::vector<Series>& keys, const std::vector<Chart>& charts,
                   const std::string& caption) {
  std::string panels;
  for (const Chart& chart : charts) {
    panels += to_svg(chart);
  }
  if (panels.empty()) {
    return "";
  }
  return element("figure", legend(keys) + element("div", "\n" + panels, "class=\"panels\"") + "\n" +
                               element("figcaption", escaped(caption))) +
         "\n";
}

/// A key for each of the series that has points.
std::vector<Series> keys_of(const std::vector<Series>& first, const std::vector<Series>& second) {
  std::vector<Series> keys;
  for (const auto* all : {&first, &second}) {
    for (const Series& series : *all) {
      const bool known = std::any_of(keys.begin(), keys.end(), [&](const Series& key) {
        return key.name == series.name && key.dashed == series.dashed;
      });
      if (!series.points.empty() && !known) {
        keys.push_back({.name = series.name, .colour = series.colour, .dashed = series.dashed});
      }
    }
  }
  return keys;
}

/// The runs that differ in their seed alone, by their places.
std::vector<std::vector<size_t>> seed_groups(const std::vector<run::RunRecord>& runs) {
  std::vector<run::RunOptions> options;
  for (const run::RunRecord& run : runs) {
    options.push_back(run.options);
  }
  return group_by_seed(options);
}

/// The curve `member` of the runs of a group, each point of it by `thin`; of several runs their mean in a
/// band.
template <class Thin>
Series series_of(const std::vector<run::RunRecord>& runs, const std::vector<size_t>& group,
                 run::Curve run::TrainingRecord::*member, const Thin& thin) {
  std::vector<run::Curve> curves;
  for (const size_t i : group) {
    curves.push_back(runs[i].training.*member);
  }
  const run::RunRecord& first = runs[group.front()];
  Series series{.name = first.name, .colour = group.front(), .points = {}};
  if (group.size() == 1) {
    series.points = thin(curves.front());
    return series;
  }
  const Band band = band_of(curves);
  series.name = joined(first.name, ", mean of ", group.size(), " seeds");
  series.points = thin(band.mean);
  series.low = thin(band.low);
  series.high = thin(band.high);
  return series;
}

}  // namespace

std::string learning_figure(const std::vector<run::RunRecord>& runs) {
  Chart validation{.title = "Validation accuracy", .x_label = "outer step", .y_label = "%"};
  Chart loss{.title = "Training loss", .x_label = "outer step", .y_label = "mean cross-entropy"};
  const auto raw = [](const run::Curve& curve) { return in_percent(run::thinned(curve, kPoints)); };
  bool bands = false;
  for (const std::vector<size_t>& group : seed_groups(runs)) {
    bands = bands || group.size() > 1;
    validation.series.push_back(series_of(runs, group, &run::TrainingRecord::validation_accuracy, raw));
    validation.series.back().markers = validation.series.back().points.size() <= 40;
    loss.series.push_back(series_of(runs, group, &run::TrainingRecord::loss, smoothed));
  }
  return figure(
      keys_of(loss.series, validation.series), {validation, loss},
      std::string("Training loss: of the query images after the inner loop, means over neighbouring "
                  "outer steps. Validation: the same episodes each time.") +
          (bands ? " Bands: from the least to the largest of the runs of a recipe, around their mean." : ""));
}

std::string inner_step_figure(const std::vector<run::RunRecord>& runs) {
  Chart all{.title = "Accuracy", .x_label = "inner step", .y_label = "%", .whole_x = true};
  Chart adapted = all;  // before the first step accuracy is that of chance, and flattens the rest
  adapted.title = "Accuracy from the first step on";
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].evaluation) {
      continue;
    }
    const auto& evaluation = *runs[i].evaluation;
    Series series{.name = runs[i].evaluated(), .colour = i, .points = {}, .markers = true};
    for (size_t step = 0; step < evaluation.accuracy_after_step.size(); ++step) {
      series.points.push_back(
          {.x = static_cast<double>(step), .y = 100 * evaluation.accuracy_after_step[step]});
      series.half_widths.push_back(100 * evaluation.interval_after_step[step]);
    }
    all.series.push_back(series);
    series.points.erase(series.points.begin());
    series.half_widths.erase(series.half_widths.begin());
    adapted.series.push_back(std::move(series));
  }
  return figure(keys_of(all.series, {}), {all, adapted}, "Bars: 95% intervals.");
}

std::string coin_figure(const std::vector<run::RunRecord>& runs) {
  Chart probability{.title = "Probability of the exact branch",
                    .x_label = "outer step",
                    .y_label = "q",
                    .series = {},
                    .from_zero = true};
  Chart moments{.title = "Running means of D² and V²",
                .x_label = "outer step",
                .y_label = "",
                .series = {},
                .logarithmic_y = true};
  for (size_t i = 0; i < runs.size(); ++i) {
    const run::TrainingRecord& training = runs[i].training;
    probability.series.push_back(
        {.name = runs[i].name + ": q", .colour = i, .points = run::thinned(training.probability, kPoints)});
    moments.series.push_back(
        {.name = runs[i].name + ": V²", .colour = i, .points = run::thinned(training.norm_squared, kPoints)});
    moments.series.push_back({.name = runs[i].name + ": D²",
                              .colour = i,
                              .points = run::thinned(training.bias_squared, kPoints),
                              .dashed = true});
  }
  return figure(
      keys_of(probability.series, moments.series), {probability, moments},
      "D²: mean square of the exact minus the first-order gradient; V²: of the exact gradient; both "
      "over the tasks that took the exact branch. UFO's second moment is V² + (1/q − 1) D².");
}

}  // namespace ufo::report
