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

/// How the kernels divide a matrix product among blocks: kernel_convolutions.cuh has one of each.
struct Tiling {
  const char* suffix;
  int64_t rows, columns, depth, slices;
  double cycles;  ///< that a multiprocessor takes to issue a block's instructions for `depth` steps

  int64_t threads() const { return rows / 4 * (columns / 4) * slices; }
  int64_t blocks(int64_t all_rows, int64_t all_columns) const {
    return ceiling(all_rows, rows) * ceiling(all_columns, columns);
  }
};

constexpr Tiling kTable[Convolution::kTilings] = {
    {"_64x64", 64, 64, 32, 1, 1700}, {"_32x128", 32, 128, 32, 1, 1900}, {"_32x32", 32, 32, 64, 4, 1100}};

/// `count` products of matrices [rows, depth] and [depth, columns]; the depth is made of `run`s that one tap
/// of a filter sees.
struct MatrixProducts {
  int64_t count, rows, columns, depth, run;
};

/// The tiling that is asked for, else the one that is likely fastest: for each tile of the depth a
/// multiprocessor issues the instructions of its blocks, and waits at least the memory's latency. The numbers
/// are an H200's; where they are wrong, time is lost and nothing else.
const Tiling& tiling_for(const MatrixProducts& of, std::optional<size_t> asked) {
  if (asked) {
    return kTable[*asked];
  }
  constexpr double kMultiprocessors = 132, kBlocksAtOnce = 4, kLatency = 1200, kManyTaps = 1.7;
  const auto cycles = [&](const Tiling& tiling) {
    const double blocks =
        std::ceil(static_cast<double>(of.count * tiling.blocks(of.rows, of.columns)) / kMultiprocessors);
    const double issued = of.run % tiling.depth == 0 ? tiling.cycles : kManyTaps * tiling.cycles;
    return static_cast<double>(ceiling(of.depth, tiling.depth)) *
           std::max(blocks * issued, std::ceil(blocks / kBlocksAtOnce) * kLatency);
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

at::Tensor Convolution::value(const std::vector<Factors>& products) const {
  const at::Tensor& x = products.front().activations;
  const int64_t tasks = x.size(0), terms = static_cast<int64_t>(products.size()),
                taps = int64_t{sizes_.kernel} * sizes_.kernel,
                pixels = int64_t{sizes_.images} * sizes_.out_height * sizes_.out_width;
  at::Tensor y =
      at::empty({tasks, sizes_.filters, sizes_.images, sizes_.out_height, sizes_.out_width}, x.options());
  const Tiling& tiling = tiling_for({.count = tasks,
                                     .rows = sizes_.filters,
                                     .columns = pixels,
                                     .depth = terms * taps * sizes_.channels,
                                     .run = sizes_.channels},
                                    tiling_);
  launch(x, (std::string("convolve") + tiling.suffix).c_str(),
         {ceiling(pixels, tiling.columns), ceiling(sizes_.filters, tiling.rows), tasks}, tiling.threads(),
         sizes_, products_of(products), y.mutable_data_ptr());
  return y;
}

at::Tensor Convolution::by_input(const std::vector<Factors>& products) const {
  const at::Tensor& dy = products.front().activations;
  const int64_t tasks = dy.size(0), terms = static_cast<int64_t>(products.size()), stride = sizes_.stride,
                phases = stride * stride, taps = int64_t{sizes_.kernel} * sizes_.kernel / phases,
                pixels = sizes_.images * ceiling(sizes_.height, stride) * ceiling(sizes_.width, stride);
  at::Tensor dx =
      at::empty({tasks, sizes_.channels, sizes_.images, sizes_.height, sizes_.width}, dy.options());
  const Tiling& tiling = tiling_for({.count = tasks * phases,
                                     .rows = sizes_.channels,
                                     .columns = pixels,
                                     .depth = terms * taps * sizes_.filters,
                                     .run = sizes_.filters},
                                    tiling_);
  launch(dy, (std::string("differentiate_by_input") + tiling.suffix).c_str(),
         {ceiling(pixels, tiling.columns), tasks, ceiling(sizes_.channels, tiling.rows) * phases},
         tiling.threads(), sizes_, products_of(products), dx.mutable_data_ptr());
  return dx;
}

at::Tensor Convolution::by_weights(const std::vector<Factors>& products) const {
  constexpr int64_t kEnoughBlocks = 264, kShortest = 240, kMostParts = 64;
  const at::Tensor& x = products.front().activations;
  const int64_t tasks = x.size(0), terms = static_cast<int64_t>(products.size()),
                taps = int64_t{sizes_.kernel} * sizes_.kernel * sizes_.channels,
                pixels = int64_t{sizes_.images} * sizes_.out_height * sizes_.out_width,
                most = std::clamp<int64_t>(pixels / kShortest, 1, kMostParts);
  const Tiling& tiling = tiling_for({.count = tasks * most,
                                     .rows = taps,
                                     .columns = sizes_.filters,
                                     .depth = terms * pixels / most,
                                     .run = 0},
                                    tiling_);
  int64_t parts = 1;
  while (tasks * tiling.blocks(taps, sizes_.filters) * parts < kEnoughBlocks && 2 * parts <= most) {
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
