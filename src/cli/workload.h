#pragma once

#include <cstdint>

#include <ufo/nn/network.h>
#include <ufo/run/options.h>

namespace ufo::cli {

/// What outer steps did, and to how many images at once.
struct StepWork {
  int64_t support_images = 0;    ///< of an inner gradient or Hessian product
  int64_t outer_images = 0;      ///< of an outer gradient
  int64_t gradient_calls = 0;    ///< inner and outer
  int64_t outer_gradients = 0;   ///< of these
  int64_t hessian_products = 0;  ///< with the whole Hessian
  int64_t partial_products = 0;  ///< with that of the head and the last `blocks` blocks
  int64_t blocks = 0;
};

/// Its floating-point operations, two a multiply-add.
double step_operations(const nn::NetworkMultiplyAdds& costs, const StepWork& work);

/// GFLOP/s of a large float32 matrix product on `device`, with all threads: what this machine gives at best.
double measure_gemm_gflops(at::Device device);

}  // namespace ufo::cli
