#include "report/paired.h"

#include "report/table_format.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include <ufo/base/text.h>
#include <ufo/run/config.h>

namespace ufo::report {
namespace {

/// Whether the episodes of two evaluations come from the same classes and images; run::same_episodes compares
/// the rest.
bool same_images(const run::RunRecord& a, const run::RunRecord& b) {
  run::RunOptions one, other;
  one.dataset = a.options.dataset;
  other.dataset = b.options.dataset;
  return !run::first_difference(one, other, {"dataset.root"});
}

/// The two-sided p of a mean whose 95% interval is 1.96 standard errors wide to each side.
double two_sided_p(const run::MeanWithInterval& difference) {
  if (difference.interval <= 0) {
    return difference.mean == 0 ? 1 : 0;
  }
  return std::erfc(1.96 * std::abs(difference.mean) / difference.interval / std::numbers::sqrt2);
}

}  // namespace

std::vector<double> holm_corrected(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> corrected(p.size());
  double floor = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    floor = std::max(floor, std::min(1.0, static_cast<double>(p.size() - k) * p[order[k]]));
    corrected[order[k]] = floor;
  }
  return corrected;
}

std::vector<PairedDifference> paired_differences(const std::vector<run::RunRecord>& runs) {
  std::vector<PairedDifference> pairs;
  std::vector<double> p;
  for (size_t i = 0; i < runs.size(); ++i) {
    for (size_t j = i + 1; j < runs.size(); ++j) {
      const auto &a = runs[i].evaluation, &b = runs[j].evaluation;
      if (!a || !b || !run::same_episodes(*a, *b) || !same_images(runs[i], runs[j])) {
        continue;
      }
      const auto difference = run::paired_difference(*a, *b);
      p.push_back(two_sided_p(difference));
      pairs.push_back({.first = i,
                       .second = j,
                       .first_name = runs[i].evaluated(),
                       .second_name = runs[j].evaluated(),
                       .mean = 100 * difference.mean,
                       .interval = 100 * difference.interval,
                       .tasks = a->tasks,
                       .p = p.back()});
    }
  }
  const std::vector<double> corrected = holm_corrected(p);
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i].p_holm = corrected[i];
  }
  return pairs;
}

std::string difference_text(const PairedDifference& pair) {
  return (pair.mean < 0 ? "−" : "+") + percent_text(std::abs(pair.mean), pair.interval);
}

std::string verdict_text(const PairedDifference& pair) {
  return pair.seen() ? (pair.mean > 0 ? pair.first_name : pair.second_name) +
                           ": this checkpoint is better on these episodes"
                     : "no difference seen";
}

std::string p_text(double p) { return p < 0.001 ? "< 0.001" : text("%.3f", p); }

}  // namespace ufo::report
