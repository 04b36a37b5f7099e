#include "cli/workload.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <ufo/base/parallel.h>

namespace ufo::cli {
namespace {

// Large enough to reach a device's arithmetic, small enough to be measured at once on a slow one.
constexpr int64_t kSmallestProduct = 1024, kLargestProduct = 8192;
constexpr double kMostSeconds = 0.05;

/// The fastest of 20 products of two matrices of `size` rows and columns.
double seconds_of_product(int64_t size, at::Device device) {
  const auto options = at::TensorOptions(device).dtype(at::kFloat);
  const at::Tensor a = at::ones({size, size}, options), b = at::ones({size, size}, options);
  at::Tensor c = at::empty({size, size}, options);
  double best = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    at::mm_out(c, a, b);
    c[0][0].item<float>();  // waits for the device
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

double step_operations(const nn::NetworkMultiplyAdds& costs, const StepWork& work) {
  const auto product = [](int64_t count, int64_t images, int64_t cost) {
    return static_cast<double>(count) * static_cast<double>(images) * static_cast<double>(cost);
  };
  return 2 * (product(work.gradient_calls - work.outer_gradients, work.support_images, costs.gradient()) +
              product(work.outer_gradients, work.outer_images, costs.gradient()) +
              product(work.hessian_products, work.support_images, costs.hessian_product()) +
              product(work.partial_products, work.support_images,
                      work.partial_products > 0 ? costs.hessian_product(work.blocks) : 0));
}

double measure_gemm_gflops(at::Device device) {
  const int threads = at::get_num_threads();
  at::set_num_threads(static_cast<int>(task_threads()));
  int64_t size = kSmallestProduct;
  double seconds = seconds_of_product(size, device);
  while (size < kLargestProduct && 8 * seconds < kMostSeconds) {  // twice the size has eight times the work
    size *= 2;
    seconds = seconds_of_product(size, device);
  }
  at::set_num_threads(threads);
  return 2 * static_cast<double>(size * size * size) / seconds / 1e9;
}

}  // namespace ufo::cli
