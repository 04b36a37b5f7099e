#pragma once

#include <cstdint>

#include <ufo/nn/network.h>
#include <ufo/train/options.h>

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

/// Floating-point operations (two a multiply-add) of `gradient_calls` gradients, `outer_gradients` of which
/// are of the query images and the others of the support images, and of `hessian_products` products on the
/// support images.
double step_operations(const LayerCosts& costs, const episode::EpisodeOptions& episode,
                       int64_t gradient_calls, int64_t outer_gradients, int64_t hessian_products);

/// GFLOP/s of a large float32 matrix product on `device`, with all threads: what this machine gives at best.
double measure_gemm_gflops(at::Device device);

}  // namespace ufo::cli
