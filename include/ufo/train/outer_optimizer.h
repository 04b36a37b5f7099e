#pragma once

#include <map>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include <ufo/run/options.h>

namespace ufo::train {

// P parameters.

/// Turns estimates of the meta-gradient into steps of theta.
class OuterOptimizer {
 public:
  virtual ~OuterOptimizer() = default;

  /// One step of `theta` [P], in place, against `gradient` [P]; both of the dtype and device it was made for.
  /// Where `skip` (of no dimension, float32, on that device; undefined stands for 0) is 1, nothing changes.
  virtual void step(const at::Tensor& theta, const at::Tensor& gradient, const at::Tensor& skip = {}) = 0;

  /// The step size from the next step on; that of the options until then. Waits for no device, and a graph
  /// that holds a step sees the new one.
  virtual void set_learning_rate(double rate) = 0;

  /// What the next step depends on beside theta: tensors [P] or of no dimension, sharing the optimizer's
  /// storage.
  virtual std::map<std::string, at::Tensor> state() const = 0;

  /// Takes the values of state() from a checkpoint, onto its own device.
  /// Throws DataError where a tensor is missing, of another size, or has values that no step gives.
  virtual void load_state(const std::map<std::string, at::Tensor>& state);
};

/// Adam (Kingma and Ba, arXiv 1412.6980) or SGD with momentum, as torch.optim computes them, for parameters
/// like `theta` [P]. Throws ConfigError for another name.
std::unique_ptr<OuterOptimizer> make_outer_optimizer(const run::OuterOptions& options,
                                                     const at::Tensor& theta);

/// The 2-norm of `gradient` [P], of no dimension, double, on its device; summed in double precision, on the
/// CPU in a fixed order, so that it has the same bits for any number of threads.
at::Tensor gradient_norm(const at::Tensor& gradient);

/// Clips the whole estimate `gradient` [P] in place: each element to +- clip_value, then all together to the
/// norm clip_norm; 0 turns either off. Waits for no device. Clipping is not linear, so a clipped estimate of
/// UFO is no longer unbiased.
void clip_gradient(const at::Tensor& gradient, double clip_value, double clip_norm);

}  // namespace ufo::train
