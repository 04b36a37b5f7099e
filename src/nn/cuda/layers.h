#pragma once

#include <ufo/nn/layer.h>

namespace ufo::nn::cuda {

/// Whether there are kernels for a convolution or batch norm with input x and parameters p: its device has a
/// runner, all are of one dtype, a task's activations are not too many, and autograd does not take part.
bool serves(const at::Tensor& x, const Tensors& p);

/// conv2d() at x [S, T, C, H, W] and p by kernels: p[0] is [T, F, C, k, k], p[1] [T, F] where the bias is
/// added. Requires serves(x, p).
std::unique_ptr<LayerPoint> conv2d_point(const ConvOptions& options, const at::Tensor& x, const Tensors& p);

/// batch_norm() at x [S, T, C, H, W] and p, gamma and beta [T, C], by kernels. Requires serves(x, p).
std::unique_ptr<LayerPoint> batch_norm_point(const at::Tensor& x, const Tensors& p, double eps);

}  // namespace ufo::nn::cuda
