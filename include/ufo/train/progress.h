#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include <ufo/run/metrics.h>

namespace ufo::train {

/// Tells a person how the run goes: step, steps/s, smoothed loss and accuracy, time left.
class Progress final : public run::MetricSink {
 public:
  struct Outputs {
    std::function<void(const std::string&)>
        line;  ///< takes a whole line, now and then and at every validation
    std::function<void(const std::string&)> bar;  ///< redraws the last line of a terminal; empty for none
    std::function<int()> columns = [] { return 80; };  ///< of that terminal
  };

  /// Where a run goes on, and where it ends.
  struct Way {
    int64_t step = 0;   ///< done so far
    double share = 0;   ///< of the run that is over, from 0 to 1
    int64_t steps = 0;  ///< of the whole run; 0 where a budget ends it
  };

  Progress(const Way& way, Outputs outputs);

  /// Lines go to the log; the bar to standard error where that is a terminal.
  static Outputs standard_outputs();

  void record(const run::MetricRecord& record) override;

  /// Clears the bar, so that other text can follow.
  void finish();
  ~Progress() override;

 private:
  using Clock = std::chrono::steady_clock;
  std::string position(const run::MetricRecord& record) const;
  std::string figures(const run::MetricRecord& record) const;
  std::string bar_text(const run::MetricRecord& record) const;

  Way way_;
  Outputs outputs_;
  Clock::time_point start_, last_line_, last_bar_;
  double weight_ = 0, loss_ = 0, accuracy_ = 0;  ///< exponential means, to be divided by weight_
  double validation_ = run::kNotANumber;
  bool drawn_ = false;
};

}  // namespace ufo::train
