#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ufo/run/options.h>

namespace ufo::run {

// N episodes, K inner steps.

/// The seed of the episodes of validation and evaluation unless another is asked for: the same episodes for
/// every method and every run, so that differences between methods can be taken episode by episode.
inline constexpr uint64_t kEvaluationSeed = 1000;

/// A mean over episodes with half the width of its 95% interval, 1.96 s / sqrt(N), s the standard deviation
/// with N - 1.
struct MeanWithInterval {
  double mean = 0;
  double interval = 0;
};

/// Throws std::invalid_argument for fewer than two values.
MeanWithInterval mean_with_interval(const std::vector<double>& values);

/// What N episodes gave after 0, 1, ..., K inner steps.
struct EpisodeCurves {
  std::vector<std::vector<double>> accuracy;  ///< [K + 1][N] share of the query images
  std::vector<std::vector<double>> loss;      ///< [K + 1][N] mean cross-entropy of the query images
};

/// What an ensemble takes the mean of: the members' class probabilities (Lakshminarayanan et al., arXiv
/// 1612.01474, section 2.4), or their logits, as MAML++'s code does (arXiv 1810.09502).
enum class EnsembleMean { probabilities, logits };

}  // namespace ufo::run

template <>
struct ufo::Words<ufo::run::EnsembleMean> {
  using enum run::EnsembleMean;
  static constexpr std::pair<run::EnsembleMean, const char*> table[] = {{probabilities, "probabilities"},
                                                                        {logits, "logits"}};
};

namespace ufo::run {

/// An evaluation as it is kept in a file of RunDirectory::evaluation_file. Accuracies are shares, not per
/// cent.
struct EvaluationResult {
  std::string split;
  std::string estimator;          ///< that trained the parameters
  std::string checkpoint;         ///< "best", "last", a path or "ensemble"
  int64_t checkpoint_step = 0;    ///< outer steps before it; of an ensemble, before its best member
  std::vector<int64_t> ensemble;  ///< outer steps of the members, the best first; empty: one checkpoint
  EnsembleMean ensemble_mean = EnsembleMean::probabilities;
  uint64_t seed = kEvaluationSeed;
  int64_t tasks = 0, ways = 0, shots = 0, queries = 0, inner_steps = 0;
  double inner_learning_rate = 0;
  int64_t inner_batch = 0;                          ///< support images of an inner step; 0: all
  nn::BatchNorm batch_norm = nn::BatchNorm::batch;  ///< mode of the network
  nn::Head head = nn::Head::linear;                 ///< that adapted
  std::vector<double> accuracy_after_step;          ///< [K + 1]
  std::vector<double> interval_after_step;          ///< [K + 1]
  std::vector<double> loss_after_step;              ///< [K + 1]
  std::vector<double> task_accuracies;              ///< [N] after K steps, in the order of the episodes
  std::vector<std::string> notes;                   ///< Dataset::notes

  double accuracy() const { return accuracy_after_step.back(); }
  double interval() const { return interval_after_step.back(); }
  bool transductive() const { return batch_norm == nn::BatchNorm::batch; }
};

/// `name`, of a method or a run, or "MAML, ensemble of 5" where an ensemble of `members` checkpoints was
/// evaluated, "MAML, ensemble of 5 by logits" by their mean; 0: there was none.
std::string evaluated_name(const std::string& name, size_t members, EnsembleMean mean);

/// The means of `curves`; what they do not say (estimator, seed, ways, ...) is left for the caller to fill
/// in.
EvaluationResult summarize(const EpisodeCurves& curves);

/// What sets an evaluation apart from the one that the run's config and the best checkpoint give:
/// "steps10_last", fit for the name of a file; "" where nothing does.
std::string settings_of(const EvaluationResult& result, const RunOptions& config);

/// What tables and reports call the method of the run `config` that `result` is of.
std::string method_of(const RunOptions& config, const EvaluationResult& result);

/// Whether two evaluations drew their episodes by the same split, seed, number and sizes: the same episodes,
/// where their data sets are the same.
bool same_episodes(const EvaluationResult& a, const EvaluationResult& b);

/// The mean of a - b over the episodes, with its interval. Throws ConfigError where the two saw other
/// episodes.
MeanWithInterval paired_difference(const EvaluationResult& a, const EvaluationResult& b);

/// JSON text: the fields by their names, and `accuracy` and `interval` after K steps and `transductive`.
std::string to_json(const EvaluationResult& result);

/// Reads such a file. Throws UserError where it is missing, damaged, lacks a field or has one out of range;
/// one without `batch_norm` is older than the modes and was made in that of "batch", one without `ensemble`
/// is of one checkpoint, and an ensemble without `ensemble_mean` by probabilities.
EvaluationResult load_evaluation(const std::filesystem::path& path);

}  // namespace ufo::run
