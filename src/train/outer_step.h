#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ufo/bilevel/meta_gradient.h>
#include <ufo/train/trainer.h>

namespace ufo::train {

/// What one outer step gave.
struct StepResult {
  int64_t step = 0;                ///< its number, from 0
  bilevel::MetaGradient estimate;  ///< of the whole meta-batch; the gradient itself may be gone
  double probability = 0;          ///< of the exact branch
  double gradient_norm = 0;        ///< before clipping
  double seconds = 0;              ///< it took

  /// Whether loss and gradient are finite; where they are not, theta was left as it was.
  bool finite() const;
};

/// Whether results() waits for steps that a device is still at.
enum class Wait { no, yes };

/// Takes outer steps: draws a meta-batch, estimates, clips, and moves theta in place. From the first step on
/// that is not finite theta stays as it is.
class OuterStep {
 public:
  virtual ~OuterStep() = default;

  /// Begins outer step number `step`; they are begun in order. The estimator must have observed what it
  /// needs.
  virtual void begin(int64_t step) = 0;

  /// What the steps begun have given, in their order, each once.
  virtual std::vector<StepResult> results(Wait wait) = 0;
};

/// Steps of `theta` [P] from outer step `first` on: on the CPU one that is done when begin() returns, on a
/// CUDA device one whose work goes there without waiting for it. All arguments must outlive the result.
std::unique_ptr<OuterStep> make_outer_step(const TrainerParts& parts, const run::RunOptions& options,
                                           const at::Tensor& theta, int64_t first);

/// The two, for tests: both work on any device.
std::unique_ptr<OuterStep> make_host_step(const TrainerParts& parts, const run::RunOptions& options,
                                          const at::Tensor& theta, int64_t first);
std::unique_ptr<OuterStep> make_device_step(const TrainerParts& parts, const run::RunOptions& options,
                                            const at::Tensor& theta);

/// Whether q of a step follows from the results of those before it.
bool adapts_q(const run::RunOptions& options);

/// The coins of outer step `step` of the whole meta-batch.
std::vector<bool> coins_of(const run::RunOptions& options, int64_t step, double probability);

}  // namespace ufo::train
