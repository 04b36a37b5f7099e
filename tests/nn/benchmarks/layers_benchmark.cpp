// Times the CPU engine's kernels and layers one at a time, on one core.
//   build/release/tests/nn/nn_benchmarks --benchmark_filter=convolution

#include "nn/conv_net.h"
#include "nn/cpu/convolution.h"
#include "nn/cpu/workspace.h"

#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <ufo/base/parallel.h>
#include <ufo/nn/network.h>

namespace ufo::nn {
namespace {

/// The support images of one task of a benchmark cell.
struct Cell {
  const char* name;
  ModelOptions model;
  InputShape input;
  int64_t images;
};

const std::vector<Cell>& cells() {
  static const std::vector<Cell> cells = {{"omniglot_5way_1shot", {.filters = 64}, {.ways = 5}, 5},
                                          {"omniglot_20way_1shot", {.filters = 64}, {.ways = 20}, 20},
                                          {"mini_imagenet_5way_1shot",
                                           {.filters = 32, .downsampling = Downsampling::max_pool},
                                           {.channels = 3, .height = 84, .width = 84, .ways = 5},
                                           5}};
  return cells;
}

/// One block's buffers, filled with numbers of the size that a network sees.
struct BlockData {
  const cpu::Kernels<float>& kernels = cpu::kernels<float>();
  cpu::BlockGeometry geometry;
  std::vector<at::Tensor> storage;

  BlockData(const Cell& cell, size_t block)
      : geometry(cpu::make_geometry(ConvNet(cell.model, cell.input), cell.images, kernels.lanes,
                                    sizeof(float))[block]) {}

  float* make(int64_t count) {
    storage.push_back(at::randn({count}));
    return storage.back().mutable_data_ptr<float>();
  }

  int64_t chunk() const { return std::min(geometry.chunk, geometry.sizes.images); }
};

void report_flops(benchmark::State& state, double flops) {
  state.counters["FLOP/s"] =
      benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void report_traffic(benchmark::State& state, int64_t numbers) {
  state.SetBytesProcessed(state.iterations() * numbers * static_cast<int64_t>(sizeof(float)));
}

/// The multiply-adds of one product by the definition, padding left out, for one chunk of images.
double direct_flops(const BlockData& data) {
  const cpu::BlockGeometry& g = data.geometry;
  return 2.0 * static_cast<double>(data.chunk() * g.image_taps * g.in_channels * g.sizes.channels);
}

void convolution_value(benchmark::State& state, const Cell& cell, size_t block) {
  BlockData data(cell, block);
  const cpu::BlockGeometry& g = data.geometry;
  cpu::Scratch<float> scratch;
  cpu::Convolution<float> convolution(g, scratch);
  const float* x = data.make(data.chunk() * g.input_image());
  const float* w = data.make(g.taps() * g.in_channels * g.sizes.channels);
  float* u = data.make(data.chunk() * g.conv_image());
  for ([[maybe_unused]] auto step : state) {
    convolution.value(data.chunk(), {x, convolution.filters(w)}, {}, u);
    benchmark::ClobberMemory();
  }
  report_flops(state, direct_flops(data));
}

void convolution_input_gradient(benchmark::State& state, const Cell& cell, size_t block) {
  BlockData data(cell, block);
  const cpu::BlockGeometry& g = data.geometry;
  cpu::Scratch<float> scratch;
  cpu::Convolution<float> convolution(g, scratch);
  const float* du = data.make(data.chunk() * g.gradient_image());
  const float* w = data.make(g.taps() * g.in_channels * g.sizes.channels);
  float* dx = data.make(data.chunk() * g.input_gradient_image());
  for ([[maybe_unused]] auto step : state) {
    convolution.input_gradient(data.chunk(), {du, convolution.filters(w)}, {}, dx);
    benchmark::ClobberMemory();
  }
  report_flops(state, direct_flops(data));
}

void convolution_weight_gradient(benchmark::State& state, const Cell& cell, size_t block) {
  BlockData data(cell, block);
  const cpu::BlockGeometry& g = data.geometry;
  cpu::Scratch<float> scratch;
  cpu::Convolution<float> convolution(g, scratch);
  const float* x = data.make(data.chunk() * g.input_image());
  const float* du = data.make(data.chunk() * g.gradient_image());
  float* dw = data.make(g.taps() * g.in_channels * g.sizes.channels);
  for ([[maybe_unused]] auto step : state) {
    convolution.weight_gradient(data.chunk(), x, du, dw, false);
    convolution.finish_weights(dw);
    benchmark::ClobberMemory();
  }
  report_flops(state, direct_flops(data));
}

enum class NormPass { value, adjoint, tangent, tangent_adjoint };

/// Batch norm, ReLU and pooling in one pass or two over all images of a task. The traffic counts each array
/// that a pass must read or write once.
void norm_relu_pool(benchmark::State& state, const Cell& cell, size_t block, NormPass pass) {
  BlockData data(cell, block);
  const cpu::BlockGeometry& g = data.geometry;
  const int64_t n = g.sizes.images, f = g.sizes.channels;
  const int64_t u = n * g.conv_image(), y = n * g.out_image(), padded_u = n * g.gradient_image();
  cpu::BlockBuffers<float> b{};
  b.u = data.make(u);
  b.y = data.make(n * g.padded_out_image());
  b.u_t = data.make(u);
  b.y_t = data.make(n * g.padded_out_image());
  std::vector<uint8_t> winner(static_cast<size_t>(y));
  b.winner = winner.data();
  b.winner_h = data.make(y);
  b.dy = data.make(y);
  b.dy_t = data.make(y);
  b.du = data.make(padded_u);
  b.du_t = data.make(padded_u);
  for (float** channels : {&b.mean, &b.scale, &b.beta_gradient, &b.gamma_gradient, &b.mean_t, &b.mean_hu_t,
                           &b.beta_gradient_t, &b.gamma_gradient_t}) {
    *channels = data.make(f);
  }
  b.gamma = b.gamma_t = data.make(f);
  b.beta = b.beta_t = data.make(f);
  data.kernels.value(g.sizes, b);

  int64_t traffic = 0;
  for ([[maybe_unused]] auto step : state) {
    switch (pass) {
      case NormPass::value:
        data.kernels.value(g.sizes, b);
        traffic = u + y;
        break;
      case NormPass::adjoint:
        data.kernels.adjoint_sums(g.sizes, b);
        data.kernels.adjoint(g.sizes, b, 0, n);
        traffic = u + 2 * y + padded_u;
        break;
      case NormPass::tangent:
        data.kernels.tangent_sums(g.sizes, b);
        data.kernels.tangent(g.sizes, b);
        traffic = 3 * u + 2 * y;
        break;
      case NormPass::tangent_adjoint:
        data.kernels.tangent_adjoint_sums(g.sizes, b);
        data.kernels.tangent_adjoint(g.sizes, b, 0, n);
        traffic = 2 * u + 3 * y + padded_u;
        break;
    }
    benchmark::ClobberMemory();
  }
  report_traffic(state, traffic);
}

enum class FirstPass { moments, value, adjoint, tangent, tangent_adjoint };

/// The first block in closed form over all images of a task, and the moments that it wants of new images.
void first_block(benchmark::State& state, const Cell& cell, FirstPass pass) {
  BlockData data(cell, 0);
  const cpu::BlockGeometry& g = data.geometry;
  const int64_t n = g.sizes.images, f = g.sizes.channels, numbers = g.taps() * g.in_channels;
  cpu::Arena arena;
  const auto memory = cpu::BlockMemory<float>::make(g, true, arena);
  const cpu::FirstBlockTangents tangents{arena.make<double>(numbers * f), arena.make<double>(f),
                                         arena.make<double>(f)};
  const float* pixels = data.make(n * g.in_height * g.in_width * g.in_channels);
  cpu::ImageSet<float> images(g);
  images.load(pixels);
  cpu::Scratch<float> scratch;
  cpu::FirstBlock<float> block(g, images, memory.first, memory.buffers, scratch);
  const cpu::FirstBlock<float>::Parameters p{data.make(numbers * f), data.make(f), data.make(f)};
  const cpu::FirstBlock<float>::Gradients gradients{data.make(numbers * f), data.make(f), data.make(f)};
  float* dy = data.make(n * g.out_image());
  float* y_t = data.make(n * g.padded_out_image());
  block.value(p, 1e-5);
  block.adjoint(p, dy, gradients);
  block.tangent(p, p, tangents, y_t);
  for ([[maybe_unused]] auto step : state) {
    switch (pass) {
      case FirstPass::moments:
        images.load(pixels);
        break;
      case FirstPass::value:
        block.value(p, 1e-5);
        break;
      case FirstPass::adjoint:
        block.adjoint(p, dy, gradients);
        break;
      case FirstPass::tangent:
        block.tangent(p, p, tangents, y_t);
        break;
      case FirstPass::tangent_adjoint:
        block.tangent_adjoint(p, p, tangents, dy, gradients);
        break;
    }
    benchmark::ClobberMemory();
  }
  if (pass != FirstPass::moments) {
    report_flops(state, 2.0 * static_cast<double>(n * g.image_taps * g.in_channels * f));
  }
}

/// A whole network of one task: the gradient, or a Hessian product at the same point.
struct TaskData {
  std::unique_ptr<Network> network;
  at::Tensor parameters, images, labels;

  explicit TaskData(const Cell& cell)
      : network(make_network(cell.model, cell.input)),
        parameters(network->initial_parameters(1).unsqueeze(0)),
        images(at::randn({1, cell.images, cell.input.height, cell.input.width, cell.input.channels})
                   .permute({0, 1, 4, 2, 3})),
        labels(at::arange(cell.images).remainder(cell.input.ways).unsqueeze(0)) {
    set_task_threads(1);
  }
};

void task_gradient(benchmark::State& state, const Cell& cell) {
  const TaskData task(cell);
  for ([[maybe_unused]] auto step : state) {
    benchmark::DoNotOptimize(
        task.network->tape(task.parameters, task.images, task.labels, Derivatives::gradient)->gradient);
  }
}

void task_hessian_product(benchmark::State& state, const Cell& cell) {
  const TaskData task(cell);
  const auto tape =
      task.network->tape(task.parameters, task.images, task.labels, Derivatives::hessian_products);
  const at::Tensor v = at::randn_like(task.parameters);
  for ([[maybe_unused]] auto step : state) {
    benchmark::DoNotOptimize(tape->hessian_product(v));
  }
}

void register_blocks(const Cell& cell) {
  const std::string name = std::string("/") + cell.name + "/block";
  for (const auto& [pass_name, pass] :
       {std::pair("moments", FirstPass::moments), std::pair("value", FirstPass::value),
        std::pair("adjoint", FirstPass::adjoint), std::pair("tangent", FirstPass::tangent),
        std::pair("tangent_adjoint", FirstPass::tangent_adjoint)}) {
    benchmark::RegisterBenchmark((std::string("first_block/") + pass_name + name + "0").c_str(), first_block,
                                 cell, pass);
  }
  for (size_t block = 1; block < static_cast<size_t>(cell.model.blocks); ++block) {
    const std::string at_block = name + std::to_string(block);
    benchmark::RegisterBenchmark(("convolution/value" + at_block).c_str(), convolution_value, cell, block);
    benchmark::RegisterBenchmark(("convolution/input_gradient" + at_block).c_str(),
                                 convolution_input_gradient, cell, block);
    benchmark::RegisterBenchmark(("convolution/weight_gradient" + at_block).c_str(),
                                 convolution_weight_gradient, cell, block);
    for (const auto& [pass_name, pass] :
         {std::pair("value", NormPass::value), std::pair("adjoint", NormPass::adjoint),
          std::pair("tangent", NormPass::tangent), std::pair("tangent_adjoint", NormPass::tangent_adjoint)}) {
      benchmark::RegisterBenchmark((std::string("norm_relu_pool/") + pass_name + at_block).c_str(),
                                   norm_relu_pool, cell, block, pass);
    }
  }
}

}  // namespace
}  // namespace ufo::nn

int main(int argc, char** argv) {
  using namespace ufo::nn;
  ufo::set_task_threads(1);
  for (const Cell& cell : cells()) {
    register_blocks(cell);
    benchmark::RegisterBenchmark((std::string("task/gradient/") + cell.name).c_str(), task_gradient, cell);
    benchmark::RegisterBenchmark((std::string("task/hessian_product/") + cell.name).c_str(),
                                 task_hessian_product, cell);
  }
  benchmark::AddCustomContext("instruction set", cpu::instruction_set());
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
