#pragma once

#include <memory>
#include <utility>

#include <ATen/core/Tensor.h>

namespace ufo::nn {

/// Convolutions of one input x [S, T, C, H, W] with padding kernel / 2, each task by weights of its own: w
/// [T, F, C, k, k]. Weights that all tasks share have the stride 0 along T.
class ConvolutionAt {
 public:
  virtual ~ConvolutionAt() = default;

  /// y [S, T, F, H', W']; `bias` is [T, F] or undefined.
  virtual at::Tensor value(const at::Tensor& w, const at::Tensor& bias) const = 0;

  /// (dx, dw) of dy, each undefined unless wanted.
  virtual std::pair<at::Tensor, at::Tensor> adjoint(const at::Tensor& dy, const at::Tensor& w, bool wants_dx,
                                                    bool wants_dw) const = 0;

  /// Drops all but the first `tasks` tasks.
  virtual void keep(int64_t tasks) = 0;
};

/// Whether the tasks share w [T, ...], so that one copy stands for all. Never where autograd wants a gradient
/// for each.
bool shared_by_tasks(const at::Tensor& w);

enum class ConvolutionForm { grouped, unfolded };

/// Grouped: a convolution of T groups, whose channels are those of the tasks side by side; where the tasks
/// share w, a plain convolution of all their images. Unfolded: x is copied once into columns [T, C k k, S H'
/// W'], and every value and weight gradient is a batched matrix product with them.
std::unique_ptr<ConvolutionAt> convolution_at(ConvolutionForm form, const at::Tensor& x, int64_t kernel,
                                              int64_t stride);

/// The form for these sizes. The environment variable UFO_CONVOLUTION asks for one by its word; with
/// "fastest", and on CUDA without it where the kernels of src/nn/cuda do not serve, both are timed where
/// sizes are seen for the first time, and the faster one is taken from there on. Elsewhere it is grouped.
/// Throws UserError for another word.
ConvolutionForm convolution_form(const at::Tensor& x, const at::Tensor& w, int64_t stride);

}  // namespace ufo::nn
