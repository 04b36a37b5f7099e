#pragma once

#include "launch.h"

#include <optional>
#include <vector>

namespace ufo::nn::cuda {

/// One convolution of all tasks by kernels, and its derivatives. Activations are planar, x [T, C, S, H, W]
/// and y [T, F, S, H', W']; weights are [T, k, k, C, F], each task's contiguous. Each result is a sum of one
/// or two products, as the product rule asks for.
class Convolution {
 public:
  /// `tiling` is the number of one of the kernels' tilings, below kTilings; without it the likely fastest is
  /// taken.
  Convolution(const at::Tensor& x, int64_t filters, int64_t kernel, int64_t stride,
              std::optional<size_t> tiling = {});
  static constexpr size_t kTilings = 3;

  struct Factors {
    at::Tensor activations, weights;
  };

  /// y of x and w.
  at::Tensor value(const std::vector<Factors>& products) const;
  /// dx of dy and w.
  at::Tensor by_input(const std::vector<Factors>& products) const;
  /// dw of x and dy.
  at::Tensor by_weights(const std::vector<Factors>& products) const;

 private:
  ConvolutionSizes sizes_;
  std::optional<size_t> tiling_;
};

}  // namespace ufo::nn::cuda
