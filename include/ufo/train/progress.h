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

  /// For a run from step `first_step` to step `steps`.
  Progress(int64_t first_step, int64_t steps, Outputs outputs);

  /// Lines go to the log; the bar to standard error where that is a terminal.
  static Outputs standard_outputs();

  void record(const run::MetricRecord& record) override;

  /// Clears the bar, so that other text can follow.
  void finish();
  ~Progress() override;

 private:
  using Clock = std::chrono::steady_clock;
  std::string position(int64_t step) const;
  std::string figures(int64_t step) const;
  std::string bar_text(int64_t step) const;

  int64_t first_step_, steps_;
  Outputs outputs_;
  Clock::time_point start_, last_line_, last_bar_;
  double weight_ = 0, loss_ = 0, accuracy_ = 0;  ///< exponential means, to be divided by weight_
  double validation_ = run::kNotANumber;
  bool drawn_ = false;
};

}  // namespace ufo::train
