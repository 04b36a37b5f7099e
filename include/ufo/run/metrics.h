#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ufo/base/append_file.h>
#include <ufo/bilevel/adaptive_probability.h>
#include <ufo/data/dataset.h>

namespace ufo::run {

inline constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

/// What UFO's coins gave in one outer step.
struct CoinMetrics {
  double probability = 0;                      ///< q
  int64_t exact_tasks = 0;                     ///< tasks on the exact branch
  double bias_squared = kNotANumber;           ///< D^2 over those tasks; NaN where there were none
  double norm_squared = kNotANumber;           ///< V^2 over those tasks; NaN where there were none
  std::optional<bilevel::Moments> means = {};  ///< running means of D^2 and V^2 with this step
};

/// One outer step, or one validation after it. NaN where a number does not apply.
struct MetricRecord {
  int64_t step = 0;  ///< outer steps done, from 1
  data::Split split = data::Split::train;
  double loss = kNotANumber;
  double accuracy = kNotANumber;       ///< share of the query images
  double gradient_norm = kNotANumber;  ///< of the whole estimate, before clipping
  double tasks_per_second = kNotANumber;
  double seconds = 0;                ///< since the run began, earlier sessions included
  std::optional<CoinMetrics> coins;  ///< UFO alone
  int64_t gradient_calls = 0;  ///< gradients of inner or outer objectives, all tasks together; 0: not counted
  int64_t hessian_products = 0;
  std::vector<std::pair<std::string, std::vector<double>>> inner_rates =
      {};  ///< validations alone, where rates are learned: those of a layer, one or one an inner step
  double share_of_run = 0;  ///< that is over after this step, from 0 to 1
};

/// Where metrics go. Every outer step is recorded; a sink leaves out what it does not want.
class MetricSink {
 public:
  virtual ~MetricSink() = default;

  virtual void record(const MetricRecord& record) = 0;

  /// Hands all records so far to the operating system. Called before a checkpoint is written and at the end.
  virtual void flush() {}
};

/// `record` as one JSON object without a line break. Numbers that are not finite become null.
std::string to_json(const MetricRecord& record);

/// metrics.jsonl: a line for every `every`-th training step and for every validation.
class MetricsFile final : public MetricSink {
 public:
  /// Appends to `path`, after leaving out what was written beyond outer step `first_step`, the step of the
  /// checkpoint that the run goes on from (0 for a fresh run). Lines that cannot be read are left out too;
  /// then a copy of the file as it was stays beside it. Throws UserError, with the file untouched, where it
  /// cannot be read or written.
  MetricsFile(const std::filesystem::path& path, int64_t first_step, int64_t every);

  void record(const MetricRecord& record) override;
  void flush() override { file_.flush(); }

  /// `seconds` of the last line that was kept, 0 where there is none.
  double seconds_before() const { return seconds_before_; }

  /// What was left out, a line each, for the log.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  std::vector<std::string> notes_;
  double seconds_before_;
  int64_t every_;
  AppendFile file_;
};

}  // namespace ufo::run
