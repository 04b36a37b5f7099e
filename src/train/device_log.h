#pragma once

#include "outer_step.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

namespace ufo::train {

/// What a step leaves on the device for the log: DeviceSums::scalars over all tasks, and behind them the
/// gradient's norm.
enum Number : int64_t { kGradientNorm = bilevel::DeviceSums::kScalars, kNumbers };

/// Brings the numbers of steps from the device to the host without waiting for them: some steps in a row
/// together, through pinned memory and an event.
class DeviceLog {
 public:
  /// `log_every` steps at a time.
  DeviceLog(at::Device device, int64_t log_every) : device_(device), log_every_(log_every) {}

  /// Has the device bring `numbers` [kNumbers] of a step, of which the host knows `known`.
  void add(StepResult known, const at::Tensor& numbers);

  /// Those that have arrived, in their order, each once; all where it waits.
  std::vector<StepResult> take(Wait wait);

 private:
  using Clock = std::chrono::steady_clock;

  struct Block {
    std::vector<StepResult> steps;   ///< all that the host knows of them
    at::Tensor numbers;              ///< [steps, kNumbers] in host memory, filled by the device
    std::optional<c10::Event> done;  ///< once all its steps are begun
  };

  void close(Block& block);
  bool is_done(const Block& block) const;
  void read(const Block& block, std::vector<StepResult>& results);

  at::Device device_;
  int64_t log_every_;
  std::deque<Block> blocks_;
  Clock::time_point last_read_ = Clock::now();
};

}  // namespace ufo::train
