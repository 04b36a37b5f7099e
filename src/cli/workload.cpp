#include "cli/workload.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <ufo/base/parallel.h>

namespace ufo::cli {

LayerCosts layer_costs(const nn::ModelOptions& model, const nn::InputShape& input, const nn::Layout& layout) {
  const bool pooled = model.downsampling == "max_pool";
  int64_t height = input.height, width = input.width;
  LayerCosts costs;
  for (const auto& entry : layout.entries()) {
    int64_t products = 0;
    if (entry.shape.size() == 4) {
      height = pooled ? height : (height + 1) / 2;
      width = pooled ? width : (width + 1) / 2;
      products = entry.size * height * width;
      height = pooled ? height / 2 : height;
      width = pooled ? width / 2 : width;
    } else if (entry.shape.size() == 2) {
      products = entry.size;
    }
    const bool first = costs.forward == 0;
    costs.forward += products;
    costs.gradient += (first ? 2 : 3) * products;
    costs.hessian_product += (first ? 2 : 6) * products;
  }
  return costs;
}

double step_operations(const LayerCosts& costs, const episode::EpisodeOptions& episode,
                       int64_t gradient_calls, int64_t outer_gradients, int64_t hessian_products) {
  const double support = static_cast<double>(episode.ways * episode.shots);
  const double query = static_cast<double>(episode.ways * episode.queries);
  const double gradient = static_cast<double>(costs.gradient),
               product = static_cast<double>(costs.hessian_product);
  return 2 * (static_cast<double>(gradient_calls - outer_gradients) * support * gradient +
              static_cast<double>(outer_gradients) * query * gradient +
              static_cast<double>(hessian_products) * support * product);
}

double measure_gemm_gflops(at::Device device) {
  const int threads = at::get_num_threads();
  at::set_num_threads(static_cast<int>(task_threads()));
  const int64_t size = device.is_cpu() ? 1024 : 8192;
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
  at::set_num_threads(threads);
  return 2 * static_cast<double>(size * size * size) / best / 1e9;
}

}  // namespace ufo::cli
