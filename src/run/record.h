#pragma once

#include "run/json.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ufo/data/dataset.h>
#include <ufo/run/curve.h>
#include <ufo/run/evaluation.h>
#include <ufo/run/options.h>
#include <ufo/run/provenance.h>

namespace ufo::run {

/// What metrics.jsonl says of a training. Curves are against the outer step; numbers that are not finite are
/// left out of them.
struct TrainingRecord {
  int64_t steps = 0;   ///< outer steps done
  double seconds = 0;  ///< of all sessions, validation included
  Curve loss;
  Curve tasks_per_second;
  Curve validation_accuracy;  ///< shares
  Curve probability;          ///< q; UFO alone, as are the next two
  Curve bias_squared;         ///< running mean of D^2
  Curve norm_squared;         ///< running mean of V^2
  std::vector<std::pair<std::string, std::vector<double>>> inner_rates;  ///< learned ones, in the end
  int64_t logged_steps = 0;  ///< training steps that have a line; the counts below are theirs
  int64_t gradient_calls = 0, hessian_products = 0, exact_tasks = 0;

  /// A count of the logged steps, taken to all steps.
  double in_all(int64_t count) const {
    constexpr double kMost = 1e18;  // fits 64 bits
    return std::min(
        kMost, static_cast<double>(count) * static_cast<double>(steps) / static_cast<double>(logged_steps));
  }
};

/// All that a run directory says of its run.
struct RunRecord {
  std::string path;      ///< as the user wrote it
  std::string name;      ///< of the folder
  std::string settings;  ///< of the evaluation, where they are not those of the config
  bool further = false;  ///< one more evaluation of the run before it, the rest of which stands there
  RunOptions options;
  Provenance provenance;
  std::string config_text;  ///< config.json
  TrainingRecord training;
  std::optional<EvaluationResult> evaluation;
  std::vector<std::string> notes;  ///< what is missing, damaged or unfinished

  /// What was evaluated: the run's name, and where it was an ensemble that too.
  std::string evaluated() const;
};

/// Reads metrics.jsonl from `text`; lines that are no record are left out and counted in `notes`.
TrainingRecord parse_metrics(const std::string& text, std::vector<std::string>& notes);

/// Reads the run directory `path`: a record for each of its evaluations on `split`, one without where there
/// is none. What is missing becomes a note; throws ConfigError where `path` holds no run or a damaged config,
/// UserError for a damaged evaluation.
std::vector<RunRecord> read_run(const std::string& path, data::Split split);

}  // namespace ufo::run
