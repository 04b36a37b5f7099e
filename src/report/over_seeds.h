#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ufo/run/curve.h>
#include <ufo/run/evaluation.h>
#include <ufo/run/options.h>

namespace ufo::report {

/// The places in `options` of the runs whose options differ in nothing but the seed, and where the data lay
/// and what computed them; group by group, in the order of the first of each. Each seed is in a group once: a
/// second run of it begins another group.
std::vector<std::vector<size_t>> group_by_seed(const std::vector<run::RunOptions>& options);

/// The accuracy of n runs of one recipe, as a share, with halves of 95% intervals.
struct AccuracyOverSeeds {
  double mean = 0;
  double over_episodes = 0;          ///< 1.96 s / sqrt(N), s of each episode's mean over the runs
  std::optional<double> over_seeds;  ///< t s / sqrt(n), s of the accuracies of the runs; none for one run
};

/// Throws ConfigError where the evaluations, at least one, are not of the same episodes.
AccuracyOverSeeds accuracy_over_seeds(const std::vector<run::EvaluationResult>& results);

/// The 0.975 quantile of Student's t distribution with `degrees` degrees of freedom, at least 1; to 0.003.
double student_quantile(size_t degrees);

/// Curves of several runs as one: at each x that all of them have, their mean, least and largest y.
struct Band {
  run::Curve mean, low, high;
};

Band band_of(const std::vector<run::Curve>& curves);

}  // namespace ufo::report
