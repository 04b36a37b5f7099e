#include "task_tape.h"

#include "part_timer.h"

#include <ATen/ATen.h>

#include <ufo/base/parallel.h>

namespace ufo::nn::cpu {
namespace {

template <class Work>
void timed(Part part, Work&& work) {
  const PartTimer timer(part);
  work();
}

/// Calls work(begin, end) on parts of [0, count), each a multiple of `grain` but the last: in one piece
/// unless threads are idle and every piece is worth waking one.
template <class Work>
void split(int64_t count, int64_t grain, double flops, Work&& work) {
  constexpr double kWorthAThread = 4e6;
  const int64_t threads = inside_parallel_tasks() ? 1 : task_threads();
  const int64_t pieces = std::min({threads, static_cast<int64_t>(flops / kWorthAThread), count / grain});
  if (pieces <= 1) {
    work(0, count);
    return;
  }
  const auto bound = [&](int64_t piece) {
    return piece == pieces ? count : count * piece / pieces / grain * grain;
  };
  parallel_tasks(pieces, [&](int64_t piece) { work(bound(piece), bound(piece + 1)); });
}

}  // namespace

template <class T>
T* Arena::make(int64_t count) {
  storage_.push_back(at::zeros({count}, c10::CppTypeToScalarType<T>::value));
  return storage_.back().template mutable_data_ptr<T>();
}

template <class T>
TaskTape<T>::TaskTape(const TaskPlan& plan, size_t first)
    : plan_(plan),
      kernels_(kernels<T>()),
      first_(first),
      blocks_(plan.blocks.size()),
      du_(plan.blocks.size()) {
  allocate(arena_);
  if (first != kNoProducts) {
    allocate_tangents(arena_);
  }
}

template <class T>
void TaskTape<T>::allocate(Arena& arena) {
  for (size_t l = 0; l < blocks_.size(); ++l) {
    const BlockGeometry& g = plan_.blocks[l];
    Block& block = blocks_[l];
    BlockBuffers<T>& b = block.buffers;
    const int64_t n = g.sizes.images, f = g.sizes.channels;
    if (l == 0) {
      block.x = arena.make<T>(n * g.input_image());
    } else {
      block.x = blocks_[l - 1].buffers.y;
      block.transposed = arena.make<T>(g.taps() * g.in_channels * f);
    }
    b.u = arena.make<T>(n * g.conv_image());
    b.y = arena.make<T>(n * g.padded_out_image());
    if (g.sizes.pooled) {
      b.winner = arena.make<uint8_t>(n * g.out_image());
      b.winner_h = arena.make<T>(n * g.out_image());
    }
    b.mean = arena.make<T>(f);
    b.scale = arena.make<T>(f);
    block.squares = arena.make<T>(f);
    block.dy = arena.make<T>(n * g.out_image());
    du_[l] = arena.make<T>((keeps_gradient(l) ? n : g.chunk) * g.gradient_image());
  }
  const HeadSizes& n = plan_.head;
  head_ = {.out = blocks_.back().buffers.y,
           .features = arena.make<T>(n.images * n.features()),
           .probability = arena.make<T>(n.images * n.ways),
           .dl = arena.make<T>(n.images * n.ways),
           .d_features = arena.make<T>(n.images * n.features()),
           .d_out = blocks_.back().dy};
}

template <class T>
void TaskTape<T>::allocate_tangents(Arena& arena) {
  for (size_t l = first_; l < blocks_.size(); ++l) {
    const BlockGeometry& g = plan_.blocks[l];
    Block& block = blocks_[l];
    BlockBuffers<T>& b = block.buffers;
    const int64_t n = g.sizes.images, f = g.sizes.channels;
    if (l > first_) {
      block.x_t = blocks_[l - 1].buffers.y_t;
      block.transposed_t = arena.make<T>(g.taps() * g.in_channels * f);
    }
    b.u_t = arena.make<T>(n * g.conv_image());
    b.y_t = arena.make<T>(n * g.padded_out_image());
    b.mean_t = arena.make<T>(f);
    b.mean_hu_t = arena.make<T>(f);
    b.beta_gradient = arena.make<T>(f);
    b.gamma_gradient = arena.make<T>(f);
    block.dy_t = arena.make<T>(n * g.out_image());
    b.du_t = arena.make<T>(g.chunk * g.gradient_image());
  }
  const HeadSizes& n = plan_.head;
  head_.out_t = blocks_.back().buffers.y_t;
  head_.features_t = arena.make<T>(n.images * n.features());
  head_.logits_t = arena.make<T>(n.images * n.ways);
  head_.d_features_t = arena.make<T>(n.images * n.features());
  head_.d_out_t = blocks_.back().dy_t;
}

template <class T>
T* TaskTape<T>::gradient_chunk(size_t l, int64_t begin) const {
  return du_[l] + (keeps_gradient(l) ? begin * plan_.blocks[l].gradient_image() : 0);
}

template <class T>
void TaskTape<T>::load_images(const T* images) {
  const BlockGeometry& g = plan_.blocks[0];
  const int64_t row = g.in_width * g.in_channels, padded_row = (g.in_width + 2 * g.padding) * g.in_channels;
  for (int64_t i = 0; i < g.sizes.images; ++i) {
    for (int64_t y = 0; y < g.in_height; ++y) {
      std::copy_n(
          images + (i * g.in_height + y) * row, row,
          blocks_[0].x + i * g.input_image() + (y + g.padding) * padded_row + g.padding * g.in_channels);
    }
  }
}

template <class T>
void TaskTape<T>::transpose_weights(size_t l, const T* weights, T* transposed) const {
  const PartTimer timer(Part::transposition);
  const BlockGeometry& g = plan_.blocks[l];
  const int64_t tap = g.in_channels * g.sizes.channels;
  for (int64_t t = 0; t < g.taps(); ++t) {
    kernels_.transpose(weights + t * tap, g.in_channels, g.sizes.channels,
                       transposed + g.transposed_tap[t] * tap);
  }
}

template <class T>
void TaskTape<T>::multiply_rows(const std::vector<RowsPlan>& plans, int64_t images, const T* a, const T* b,
                                T* c, bool accumulate) const {
  for (const RowsPlan& plan : plans) {
    const RowsProduct product = plan.product();
    const int64_t rows = plan.image_rows * images;
    const double flops =
        2.0 * static_cast<double>(rows * product.segments * product.length * product.columns);
    const PartTimer timer(Part::convolution, flops);
    split(rows, kernels_.tile_rows, flops,
          [&](int64_t begin, int64_t end) { kernels_.rows(product, begin, end, a, b, c, accumulate); });
  }
}

template <class T>
void TaskTape<T>::multiply_weights(const std::vector<WeightsPlan>& plans, int64_t images, const T* x,
                                   const T* du, T* weights, bool accumulate) const {
  for (const WeightsPlan& plan : plans) {
    const WeightsProduct product = plan.product();
    const int64_t pixels = plan.image_pixels * images;
    const double flops = 2.0 * static_cast<double>(product.rows * pixels * product.columns);
    const PartTimer timer(Part::convolution, flops);
    split(product.rows, kernels_.tile_rows, flops, [&](int64_t begin, int64_t end) {
      WeightsProduct part = product;
      part.row += begin;
      part.rows = end - begin;
      kernels_.weights(part, pixels, x, du, weights + (plan.first_row + begin) * product.columns, accumulate);
    });
  }
}

template <class T>
void TaskTape<T>::block_value(size_t l, const T* parameters) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T>& b = block.buffers;
  const int64_t n = g.sizes.images, f = g.sizes.channels;
  for (int64_t i = 0; i < n; i += g.chunk) {
    const int64_t images = std::min(g.chunk, n - i);
    T* u = b.u + i * g.conv_image();
    multiply_rows(g.value, images, block.x + i * g.input_image(), parameters + at.weight, u, false);
    timed(Part::normalisation, [&] {
      kernels_.statistics(u, images * g.conv_pixels(), f, i * g.conv_pixels(), b.mean, block.squares);
    });
  }
  const T count = static_cast<T>(n * g.conv_pixels()), eps = static_cast<T>(plan_.batch_norm_eps);
  for (int64_t c = 0; c < f; ++c) {
    b.scale[c] = T(1) / std::sqrt(block.squares[c] / count + eps);
  }
  b.gamma = parameters + at.norm_weight;
  b.beta = parameters + at.norm_bias;
  timed(Part::normalisation, [&] { kernels_.value(g.sizes, b); });
}

template <class T>
void TaskTape<T>::block_adjoint(size_t l, const T* parameters, T* gradient) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T> b = block.buffers;
  b.dy = block.dy;
  b.beta_gradient = gradient + at.norm_bias;
  b.gamma_gradient = gradient + at.norm_weight;
  timed(Part::normalisation, [&] { kernels_.adjoint_sums(g.sizes, b); });
  if (l >= first_ && first_ != kNoProducts) {  // its tangents will want the sums again
    std::copy_n(b.beta_gradient, g.sizes.channels, block.buffers.beta_gradient);
    std::copy_n(b.gamma_gradient, g.sizes.channels, block.buffers.gamma_gradient);
  }
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    b.du = gradient_chunk(l, i);
    timed(Part::normalisation, [&] { kernels_.adjoint(g.sizes, b, i, i + images); });
    multiply_weights(g.weights, images, block.x + i * g.input_image(), b.du, gradient + at.weight, i > 0);
    if (l > 0) {
      multiply_rows(g.gradients, images, b.du, block.transposed,
                    blocks_[l - 1].dy + i * g.input_gradient_image(), false);
    }
  }
  // Batch norm subtracts whatever bias the convolution adds.
  std::fill_n(gradient + at.weight + g.taps() * g.in_channels * g.sizes.channels, g.sizes.channels, T(0));
}

template <class T>
LossAndAccuracy TaskTape<T>::value(const T* parameters, const T* images, const int64_t* labels) {
  parameters_ = parameters;
  load_images(images);
  for (size_t l = 0; l < blocks_.size(); ++l) {
    block_value(l, parameters);
  }
  const PartTimer timer(Part::head);
  return head_value<T>(plan_.head, head_, head_parameters(parameters), labels);
}

template <class T>
LossAndAccuracy TaskTape<T>::gradient(const T* parameters, const T* images, const int64_t* labels,
                                      T* gradient) {
  const PaddedParameters& at = *plan_.parameters;
  const LossAndAccuracy result = value(parameters, images, labels);
  timed(Part::head, [&] {
    head_adjoint<T>(plan_.head, head_, head_parameters(parameters), labels,
                    {gradient + at.head_weight(), gradient + at.head_bias()});
  });
  for (size_t l = blocks_.size(); l-- > 0;) {
    if (l > 0) {
      transpose_weights(l, parameters + at.blocks()[l].weight, blocks_[l].transposed);
    }
    block_adjoint(l, parameters, gradient);
  }
  return result;
}

template <class T>
void TaskTape<T>::block_tangent(size_t l, const T* v) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T>& b = block.buffers;
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    T* u_t = b.u_t + i * g.conv_image();
    multiply_rows(g.value, images, block.x + i * g.input_image(), v + at.weight, u_t, false);
    if (l > first_) {
      multiply_rows(g.value, images, block.x_t + i * g.input_image(), parameters_ + at.weight, u_t, true);
    }
  }
  b.gamma_t = v + at.norm_weight;
  b.beta_t = v + at.norm_bias;
  timed(Part::normalisation, [&] { kernels_.tangent_sums(g.sizes, b); });
  timed(Part::normalisation, [&] { kernels_.tangent(g.sizes, b); });
}

template <class T>
void TaskTape<T>::block_tangent_adjoint(size_t l, const T* v, T* product) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T> b = block.buffers;
  b.dy = block.dy;
  b.dy_t = block.dy_t;
  b.beta_gradient_t = product + at.norm_bias;
  b.gamma_gradient_t = product + at.norm_weight;
  timed(Part::normalisation, [&] { kernels_.tangent_adjoint_sums(g.sizes, b); });
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    const T* du = gradient_chunk(l, i);
    T* weights = product + at.weight;
    timed(Part::normalisation, [&] { kernels_.tangent_adjoint(g.sizes, b, i, i + images); });
    multiply_weights(g.weights, images, block.x + i * g.input_image(), b.du_t, weights, i > 0);
    if (l > first_) {
      T* dx_t = blocks_[l - 1].dy_t + i * g.input_gradient_image();
      multiply_weights(g.weights, images, block.x_t + i * g.input_image(), du, weights, true);
      multiply_rows(g.gradients, images, b.du_t, block.transposed, dx_t, false);
      multiply_rows(g.gradients, images, du, block.transposed_t, dx_t, true);
    }
  }
  std::fill_n(product + at.weight + g.taps() * g.in_channels * g.sizes.channels, g.sizes.channels, T(0));
}

template <class T>
void TaskTape<T>::hessian_product(const T* v, T* product) {
  const PaddedParameters& at = *plan_.parameters;
  for (size_t l = first_; l < blocks_.size(); ++l) {
    block_tangent(l, v);
  }
  timed(Part::head, [&] {
    head_tangent<T>(plan_.head, head_, head_parameters(parameters_), head_parameters(v),
                    {product + at.head_weight(), product + at.head_bias()});
  });
  for (size_t l = blocks_.size(); l-- > first_;) {
    if (l > first_) {
      transpose_weights(l, v + at.blocks()[l].weight, blocks_[l].transposed_t);
    }
    block_tangent_adjoint(l, v, product);
  }
  std::fill_n(product, at.begin(first_), T(0));
}

template float* Arena::make<float>(int64_t);
template double* Arena::make<double>(int64_t);

template class TaskTape<float>;
template class TaskTape<double>;

}  // namespace ufo::nn::cpu
