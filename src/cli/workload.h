#pragma once

#include <cstdint>

#include <ufo/nn/network.h>
#include <ufo/run/options.h>

namespace ufo::cli {

/// Multiply-adds of the convolutions and linear layers of a network, an image.
struct LayerCosts {
  int64_t forward = 0;
  int64_t gradient = 0;         ///< with the forward pass
  int64_t hessian_product = 0;  ///< beyond a gradient at the same point
};

/// Counts them. A layer of m multiply-adds takes 3 m for value, weight gradient and input gradient, and 6 m
/// for the tangents of the three (each is a product of two factors); the first layer, whose input is given,
/// takes 2 m and 2 m.
LayerCosts layer_costs(const nn::ModelOptions& model, const nn::InputShape& input, const nn::Layout& layout);

/// What outer steps did, and to how many images at once.
struct StepWork {
  int64_t support_images = 0;   ///< of an inner gradient or Hessian product
  int64_t outer_images = 0;     ///< of an outer gradient
  int64_t gradient_calls = 0;   ///< inner and outer
  int64_t outer_gradients = 0;  ///< of these
  int64_t hessian_products = 0;
};

/// Its floating-point operations, two a multiply-add.
double step_operations(const LayerCosts& costs, const StepWork& work);

/// GFLOP/s of a large float32 matrix product on `device`, with all threads: what this machine gives at best.
double measure_gemm_gflops(at::Device device);

}  // namespace ufo::cli
