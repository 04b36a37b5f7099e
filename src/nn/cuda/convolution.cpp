#include "convolution.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

namespace ufo::nn::cuda {
namespace {

int64_t ceiling(int64_t n, int64_t by) { return (n + by - 1) / by; }

Divider divider(int64_t divisor) {
  unsigned shift = 0;
  while ((int64_t{1} << shift) < divisor) {
    ++shift;
  }
  const auto d = static_cast<uint64_t>(divisor);
  return {.divisor = static_cast<unsigned>(divisor),
          .multiplier = static_cast<unsigned>((uint64_t{1} << 32) * ((uint64_t{1} << shift) - d) / d + 1),
          .shift = shift};
}

}  // namespace

/// How the kernels divide a matrix product among blocks: kernels.cuh has one of each.
struct Tiling {
  const char* suffix;
  int64_t rows, columns, depth, slices;
  double cycles;  ///< that a multiprocessor takes to issue a block's instructions for `depth` steps

  int64_t threads() const { return rows / 4 * (columns / 4) * slices; }
  int64_t blocks(int64_t all_rows, int64_t all_columns) const {
    return ceiling(all_rows, rows) * ceiling(all_columns, columns);
  }
};

namespace {

constexpr Tiling kTable[Convolution::kTilings] = {
    {"_64x64", 64, 64, 16, 1, 800}, {"_32x128", 32, 128, 16, 1, 1000}, {"_32x32", 32, 32, 32, 4, 560}};

/// The tiling that is likely fastest for `count` products of [rows, depth] and [depth, columns]: for each
/// tile of the depth a multiprocessor issues the instructions of its blocks, and waits at least the memory's
/// latency. The numbers are an H200's; where they are wrong, time is lost and nothing else.
const Tiling& likely_fastest(int64_t count, int64_t rows, int64_t columns, int64_t depth) {
  constexpr double kMultiprocessors = 132, kBlocksAtOnce = 4, kLatency = 700;
  const auto cycles = [&](const Tiling& tiling) {
    const double blocks =
        std::ceil(static_cast<double>(count * tiling.blocks(rows, columns)) / kMultiprocessors);
    const auto steps = static_cast<double>(ceiling(depth, tiling.depth));
    return steps * std::max(blocks * tiling.cycles, std::ceil(blocks / kBlocksAtOnce) * kLatency);
  };
  return *std::min_element(std::begin(kTable), std::end(kTable),
                           [&](const Tiling& a, const Tiling& b) { return cycles(a) < cycles(b); });
}

Products products_of(const std::vector<Convolution::Factors>& factors) {
  Products result{};
  result.count = static_cast<int>(factors.size());
  for (size_t i = 0; i < 2; ++i) {
    const auto& [activations, weights] = factors[std::min(i, factors.size() - 1)];
    result.term[i] = {.activations = activations.const_data_ptr(),
                      .weights = weights.const_data_ptr(),
                      .weights_stride = weights.stride(0)};
  }
  return result;
}

}  // namespace

Convolution::Convolution(const at::Tensor& x, int64_t filters, int64_t kernel, int64_t stride,
                         std::optional<size_t> tiling)
    : tiling_(tiling) {
  const int64_t height = (x.size(3) - 1) / stride + 1, width = (x.size(4) - 1) / stride + 1;
  const auto number = [](int64_t n) { return static_cast<int>(n); };
  sizes_ = {.channels = number(x.size(1)),
            .filters = number(filters),
            .images = number(x.size(2)),
            .height = number(x.size(3)),
            .width = number(x.size(4)),
            .out_height = number(height),
            .out_width = number(width),
            .kernel = number(kernel),
            .stride = number(stride),
            .padding = number(kernel / 2),
            .by_channels = divider(x.size(1)),
            .by_filters = divider(filters),
            .by_kernel = divider(kernel),
            .by_out_width = divider(width),
            .by_out_pixels = divider(height * width)};
}

const Tiling& Convolution::tiling_for(int64_t count, int64_t rows, int64_t columns, int64_t depth) const {
  return tiling_ ? kTable[*tiling_] : likely_fastest(count, rows, columns, depth);
}

at::Tensor Convolution::value(const std::vector<Factors>& products) const {
  const at::Tensor& x = products.front().activations;
  const int64_t tasks = x.size(0), pixels = int64_t{sizes_.images} * sizes_.out_height * sizes_.out_width;
  at::Tensor y =
      at::empty({tasks, sizes_.filters, sizes_.images, sizes_.out_height, sizes_.out_width}, x.options());
  const Tiling& tiling = tiling_for(
      tasks, sizes_.filters, pixels,
      int64_t{sizes_.kernel} * sizes_.kernel * sizes_.channels * static_cast<int64_t>(products.size()));
  launch(x, (std::string("convolve") + tiling.suffix).c_str(),
         {ceiling(pixels, tiling.columns), ceiling(sizes_.filters, tiling.rows), tasks}, tiling.threads(),
         sizes_, products_of(products), y.mutable_data_ptr());
  return y;
}

at::Tensor Convolution::by_input(const std::vector<Factors>& products) const {
  const at::Tensor& dy = products.front().activations;
  const int64_t tasks = dy.size(0), stride = sizes_.stride, phases = stride * stride;
  const int64_t pixels = sizes_.images * ceiling(sizes_.height, stride) * ceiling(sizes_.width, stride);
  at::Tensor dx =
      at::empty({tasks, sizes_.channels, sizes_.images, sizes_.height, sizes_.width}, dy.options());
  const int64_t taps = int64_t{sizes_.kernel} * sizes_.kernel / phases;  // of a phase, on average
  const Tiling& tiling = tiling_for(tasks * phases, sizes_.channels, pixels,
                                    taps * sizes_.filters * static_cast<int64_t>(products.size()));
  launch(dy, (std::string("differentiate_by_input") + tiling.suffix).c_str(),
         {ceiling(pixels, tiling.columns), ceiling(sizes_.channels, tiling.rows) * phases, tasks},
         tiling.threads(), sizes_, products_of(products), dx.mutable_data_ptr());
  return dx;
}

at::Tensor Convolution::by_weights(const std::vector<Factors>& products) const {
  constexpr int64_t kEnoughBlocks = 264, kShortest = 512;
  const at::Tensor& x = products.front().activations;
  const int64_t tasks = x.size(0), taps = int64_t{sizes_.kernel} * sizes_.kernel * sizes_.channels,
                pixels = int64_t{sizes_.images} * sizes_.out_height * sizes_.out_width;
  const Tiling& tiling =
      tiling_for(tasks, taps, sizes_.filters, pixels * static_cast<int64_t>(products.size()));
  int64_t parts = 1;
  while (tasks * tiling.blocks(taps, sizes_.filters) * parts < kEnoughBlocks &&
         pixels / (2 * parts) >= kShortest) {
    parts *= 2;
  }
  at::Tensor dw =
      at::empty({parts, tasks, sizes_.kernel, sizes_.kernel, sizes_.channels, sizes_.filters}, x.options());
  launch(x, (std::string("differentiate_by_weights") + tiling.suffix).c_str(),
         {ceiling(sizes_.filters, tiling.columns), ceiling(taps, tiling.rows), tasks * parts},
         tiling.threads(), sizes_, products_of(products), static_cast<int>(tasks), static_cast<int>(parts),
         dw.mutable_data_ptr());
  return parts == 1 ? dw[0] : dw.sum(0);
}

}  // namespace ufo::nn::cuda
