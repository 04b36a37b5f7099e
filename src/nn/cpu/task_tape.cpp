#include "task_tape.h"

#include "part_timer.h"

#include <ATen/ATen.h>

namespace ufo::nn::cpu {
namespace {

template <class Work>
void timed(Part part, Work&& work) {
  const PartTimer timer(part);
  work();
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
void TaskTape<T>::block_value(size_t l, const T* parameters, Scratch<T>& scratch) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T>& b = block.buffers;
  const int64_t n = g.sizes.images, f = g.sizes.channels;
  Convolution<T> convolution(g, scratch);
  const T* filters = convolution.filters(parameters + at.weight);
  for (int64_t i = 0; i < n; i += g.chunk) {
    const int64_t images = std::min(g.chunk, n - i);
    T* u = b.u + i * g.conv_image();
    convolution.value(images, {block.x + i * g.input_image(), filters}, {}, u);
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
void TaskTape<T>::block_adjoint(size_t l, const T* parameters, T* gradient, Scratch<T>& scratch) {
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
  Convolution<T> convolution(g, scratch);
  const T* filters = l > 0 ? convolution.filters(block.transposed) : nullptr;
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    b.du = gradient_chunk(l, i);
    timed(Part::normalisation, [&] { kernels_.adjoint(g.sizes, b, i, i + images); });
    convolution.weight_gradient(images, block.x + i * g.input_image(), b.du, gradient + at.weight, i > 0);
    if (l > 0) {
      convolution.input_gradient(images, {b.du, filters}, {},
                                 blocks_[l - 1].dy + i * g.input_gradient_image());
    }
  }
  convolution.finish_weights(gradient + at.weight);
  // Batch norm subtracts whatever bias the convolution adds.
  std::fill_n(gradient + at.weight + g.taps() * g.in_channels * g.sizes.channels, g.sizes.channels, T(0));
}

template <class T>
LossAndAccuracy TaskTape<T>::value(const T* parameters, const T* images, const int64_t* labels,
                                   Scratch<T>& scratch) {
  parameters_ = parameters;
  load_images(images);
  for (size_t l = 0; l < blocks_.size(); ++l) {
    block_value(l, parameters, scratch);
  }
  const PartTimer timer(Part::head);
  return head_value<T>(plan_.head, head_, head_parameters(parameters), labels);
}

template <class T>
LossAndAccuracy TaskTape<T>::gradient(const T* parameters, const T* images, const int64_t* labels,
                                      T* gradient, Scratch<T>& scratch) {
  const PaddedParameters& at = *plan_.parameters;
  const LossAndAccuracy result = value(parameters, images, labels, scratch);
  timed(Part::head, [&] {
    head_adjoint<T>(plan_.head, head_, head_parameters(parameters), labels,
                    {gradient + at.head_weight(), gradient + at.head_bias()});
  });
  for (size_t l = blocks_.size(); l-- > 0;) {
    if (l > 0) {
      transpose_weights(l, parameters + at.blocks()[l].weight, blocks_[l].transposed);
    }
    block_adjoint(l, parameters, gradient, scratch);
  }
  return result;
}

template <class T>
void TaskTape<T>::block_tangent(size_t l, const T* v, Scratch<T>& scratch) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T>& b = block.buffers;
  Convolution<T> convolution(g, scratch);
  const T* filters_t = convolution.filters(v + at.weight);
  const T* filters = l > first_ ? convolution.second_filters(parameters_ + at.weight) : nullptr;
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    const T* x_t = l > first_ ? block.x_t + i * g.input_image() : nullptr;
    convolution.value(images, {block.x + i * g.input_image(), filters_t}, {x_t, filters},
                      b.u_t + i * g.conv_image());
  }
  b.gamma_t = v + at.norm_weight;
  b.beta_t = v + at.norm_bias;
  timed(Part::normalisation, [&] { kernels_.tangent_sums(g.sizes, b); });
  timed(Part::normalisation, [&] { kernels_.tangent(g.sizes, b); });
}

template <class T>
void TaskTape<T>::block_tangent_adjoint(size_t l, const T* v, T* product, Scratch<T>& scratch) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T> b = block.buffers;
  b.dy = block.dy;
  b.dy_t = block.dy_t;
  b.beta_gradient_t = product + at.norm_bias;
  b.gamma_gradient_t = product + at.norm_weight;
  timed(Part::normalisation, [&] { kernels_.tangent_adjoint_sums(g.sizes, b); });
  T* weights = product + at.weight;
  Convolution<T> convolution(g, scratch);
  const T* filters = l > first_ ? convolution.filters(block.transposed) : nullptr;
  const T* filters_t = l > first_ ? convolution.second_filters(block.transposed_t) : nullptr;
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    const T* du = gradient_chunk(l, i);
    timed(Part::normalisation, [&] { kernels_.tangent_adjoint(g.sizes, b, i, i + images); });
    convolution.weight_gradient(images, block.x + i * g.input_image(), b.du_t, weights, i > 0);
    if (l > first_) {
      convolution.weight_gradient(images, block.x_t + i * g.input_image(), du, weights, true);
      convolution.input_gradient(images, {b.du_t, filters}, {du, filters_t},
                                 blocks_[l - 1].dy_t + i * g.input_gradient_image());
    }
  }
  convolution.finish_weights(weights);
  std::fill_n(product + at.weight + g.taps() * g.in_channels * g.sizes.channels, g.sizes.channels, T(0));
}

template <class T>
void TaskTape<T>::hessian_product(const T* v, T* product, Scratch<T>& scratch) {
  const PaddedParameters& at = *plan_.parameters;
  for (size_t l = first_; l < blocks_.size(); ++l) {
    block_tangent(l, v, scratch);
  }
  timed(Part::head, [&] {
    head_tangent<T>(plan_.head, head_, head_parameters(parameters_), head_parameters(v),
                    {product + at.head_weight(), product + at.head_bias()});
  });
  for (size_t l = blocks_.size(); l-- > first_;) {
    if (l > first_) {
      transpose_weights(l, v + at.blocks()[l].weight, blocks_[l].transposed_t);
    }
    block_tangent_adjoint(l, v, product, scratch);
  }
  std::fill_n(product, at.begin(first_), T(0));
}

template float* Arena::make<float>(int64_t);
template double* Arena::make<double>(int64_t);

template class TaskTape<float>;
template class TaskTape<double>;

}  // namespace ufo::nn::cpu
