#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ufo/base/options.h>
#include <ufo/bilevel/adaptive_probability.h>

namespace ufo::bilevel {

struct MetaGradient;

/// The probability q of UFO's coin: a number in (0, 1], one that goes from `value` to `to` in proportion to
/// the run, or one that is chosen while training.
struct CoinProbability {
  double value = 0.1;
  bool adaptive = false;
  std::optional<double> to = std::nullopt;

  /// q where `progress`, from 0 to 1, of the run is over; not for an adaptive one.
  double at(double progress) const { return to ? value + (*to - value) * progress : value; }
};

/// Throws ConfigError for a fixed q out of (0, 1], and for one along the run that leaves [0, 1].
void check_range(std::string_view path, const CoinProbability& q, const Range& range);

/// The branches that the tasks of one meta-batch take, and the probability with which each took the exact
/// one.
struct Coins {
  double probability = 0;
  std::vector<bool> exact;  ///< of each task

  /// All on one branch, as for the estimators that have no coin.
  static Coins all(int64_t tasks, bool exact) {
    return {.probability = exact ? 1.0 : 0.0, .exact = std::vector<bool>(static_cast<size_t>(tasks), exact)};
  }

  bool operator==(const Coins&) const = default;

  int64_t tasks() const { return static_cast<int64_t>(exact.size()); }
  int64_t exact_tasks() const;

  /// The tasks, those of the exact branch before the others, else in their order.
  std::vector<int64_t> exact_first() const;
};

/// The coins of one meta-batch: that of task t is a pure function of (seed, step, t) and `probability`.
Coins toss_coins(uint64_t seed, uint64_t step, int64_t tasks, double probability);

/// What decides the branch of each task along a run: UFO's coin with its probability, or the one branch of an
/// estimator without a coin.
class Coin {
 public:
  /// Of an estimator that always takes the same branch.
  explicit Coin(bool exact) : q_{.value = exact ? 1.0 : 0.0} {}

  /// UFO's, with a q that follows `statistics`, never below `minimum`, where it is adaptive.
  Coin(const CoinProbability& q, double minimum, BranchStatistics statistics)
      : q_(q), minimum_(minimum), statistics_(std::move(statistics)) {}

  /// Says how much of the run is over, from 0 to 1; a q along the run follows it.
  void set_progress(double progress) { progress_ = progress; }

  /// q. An adaptive one is that of the last outer step that began by begin(), before any the best one.
  double probability() const { return q_.adaptive ? kept_.value_or(best_probability()) : q_.at(progress_); }

  /// Whether outer step `step` takes an adaptive q anew, from the results of all steps before it. It is kept
  /// for kStepsOfAnAdaptiveQ of them, so that a device is waited for once in so many.
  bool takes_q_anew(int64_t step) const { return q_.adaptive && step % kStepsOfAnAdaptiveQ == 0; }
  static constexpr int64_t kStepsOfAnAdaptiveQ = 10;

  /// To be called before the toss of outer step `step` of a run, whose adaptive q is kept over steps.
  void begin(int64_t step) {
    if (q_.adaptive && (!kept_ || takes_q_anew(step))) {
      kept_ = best_probability();
    }
  }

  /// The q of least variance for the work, by what observe() has seen; only for UFO's.
  double best_probability() const { return statistics_->probability(minimum_); }

  Coins toss(uint64_t seed, uint64_t step, int64_t tasks) const {
    return toss_coins(seed, step, tasks, probability());
  }

  /// Learns D^2 and V^2, and the time of the branches, from an outer step.
  void observe(const MetaGradient& estimate);

  /// Running means of D^2 and V^2, NaN before the first exact task; nothing where there is no coin.
  std::optional<Moments> moments() const;

  /// All that observe() and begin() have left, to be saved with a run; empty where there is no coin.
  std::map<std::string, double> state() const;

  /// Goes on from what state() gave. Throws DataError where a value is missing.
  void restore(const std::map<std::string, double>& state);

 private:
  CoinProbability q_;
  double minimum_ = 0, progress_ = 0;
  std::optional<double> kept_;  ///< an adaptive q, from begin() on
  std::optional<BranchStatistics> statistics_;
};

}  // namespace ufo::bilevel
