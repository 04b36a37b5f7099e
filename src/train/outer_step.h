#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ufo/bilevel/meta_gradient.h>
#include <ufo/episode/device_images.h>
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

  /// Begins outer step number `step`, whose tasks take the branches of `coins`; they are begun in order.
  virtual void begin(int64_t step, const bilevel::Coins& coins) = 0;

  /// What the steps begun have given, in their order, each once.
  virtual std::vector<StepResult> results(Wait wait) = 0;
};

// Steps of `theta` [P] from outer step `first` on. All arguments must outlive the result.

/// A step that is done when begin() returns.
std::unique_ptr<OuterStep> make_host_step(const TrainerParts& parts, const run::RunOptions& options,
                                          const at::Tensor& theta, int64_t first);

/// A step whose work goes to the device of theta without waiting for it, with the images of the training
/// sampler's data set that lie there. Works on the CPU too.
std::unique_ptr<OuterStep> make_device_step(const TrainerParts& parts, const run::RunOptions& options,
                                            const at::Tensor& theta, const episode::DeviceImages& images);

}  // namespace ufo::train
