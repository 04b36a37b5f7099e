#include "report/over_seeds.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include <ufo/base/error.h>
#include <ufo/run/config.h>

namespace ufo::report {
namespace {

/// What may differ between runs of one recipe: `log_every` changes what is written, not what is computed.
const std::vector<std::string> kNotRecipe = {"seed", "dataset.root", "device", "log_every"};

bool takes(const std::vector<size_t>& group, const std::vector<run::RunOptions>& options,
           const run::RunOptions& other) {
  return !run::first_difference(options[group.front()], other, kNotRecipe) &&
         std::none_of(group.begin(), group.end(), [&](size_t i) { return options[i].seed == other.seed; });
}

/// The deviation of `values`, at least two, by the n - 1 rule.
double deviation(const std::vector<double>& values, double mean) {
  double squares = 0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
  }
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

/// The y of `curve` at `x`; none where it has no such point.
std::optional<double> value_at(const run::Curve& curve, double x) {
  const auto found = std::lower_bound(
      curve.begin(), curve.end(), x, [](const run::Point& point, double wanted) { return point.x < wanted; });
  return found == curve.end() || found->x != x ? std::nullopt : std::optional(found->y);
}

}  // namespace

std::vector<std::vector<size_t>> group_by_seed(const std::vector<run::RunOptions>& options) {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < options.size(); ++i) {
    const auto found = std::find_if(groups.begin(), groups.end(), [&](const std::vector<size_t>& group) {
      return takes(group, options, options[i]);
    });
    if (found == groups.end()) {
      groups.push_back({i});
    } else {
      found->push_back(i);
    }
  }
  return groups;
}

AccuracyOverSeeds accuracy_over_seeds(const std::vector<run::EvaluationResult>& results) {
  const auto count = static_cast<double>(results.size());
  std::vector<double> accuracies, episodes(results.front().task_accuracies.size());
  for (const run::EvaluationResult& result : results) {
    if (!run::same_episodes(result, results.front()) || result.inner_steps != results.front().inner_steps) {
      throw ConfigError(
          "over seeds: need evaluations on the same episodes; split, seed, tasks, ways, shots, queries or "
          "inner steps differ");
    }
    accuracies.push_back(result.accuracy());
    for (size_t i = 0; i < episodes.size(); ++i) {
      episodes[i] += result.task_accuracies[i] / count;
    }
  }
  const auto [mean, interval] = run::mean_with_interval(episodes);
  AccuracyOverSeeds accuracy{.mean = mean, .over_episodes = interval, .over_seeds = {}};
  if (results.size() > 1) {
    accuracy.over_seeds =
        student_quantile(results.size() - 1) * deviation(accuracies, mean) / std::sqrt(count);
  }
  return accuracy;
}

double student_quantile(size_t degrees) {
  constexpr std::array<double, 30> kQuantiles = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306,
                                                 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
                                                 2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064,
                                                 2.060,  2.056, 2.052, 2.048, 2.045, 2.042};
  // Beyond the table, the first two terms of the expansion in 1 / degrees: z + (z^3 + z) / (4 degrees).
  return degrees <= kQuantiles.size() ? kQuantiles.at(degrees - 1)
                                      : 1.96 + 2.372 / static_cast<double>(degrees);
}

Band band_of(const std::vector<run::Curve>& curves) {
  Band band;
  for (const run::Point& point : curves.front()) {
    double sum = 0, low = point.y, high = point.y;
    const bool shared = std::all_of(curves.begin(), curves.end(), [&](const run::Curve& curve) {
      const auto y = value_at(curve, point.x);
      sum += y.value_or(0);
      low = std::min(low, y.value_or(low));
      high = std::max(high, y.value_or(high));
      return y.has_value();
    });
    if (shared) {
      band.mean.push_back({.x = point.x, .y = sum / static_cast<double>(curves.size())});
      band.low.push_back({.x = point.x, .y = low});
      band.high.push_back({.x = point.x, .y = high});
    }
  }
  return band;
}

}  // namespace ufo::report
