#include "task_tape.h"

#include "part_timer.h"

#include <algorithm>

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
TaskTape<T>::TaskTape(const TaskPlan& plan, size_t first)
    : plan_(plan), kernels_(kernels<T>()), first_(first), blocks_(plan.blocks.size()) {
  for (size_t l = first_; l < blocks_.size(); ++l) {
    blocks_[l].memory = BlockMemory<T>::make(plan.blocks[l], l == 0, arena_);
  }
  if (first_ > 0 && first_ <= blocks_.size()) {
    const BlockGeometry& below = plan.blocks[first_ - 1];
    first_input_ = arena_.make<T>(below.sizes.images * below.padded_out_image());
  }
  const HeadSizes& n = plan_.head;
  head_.features = arena_.make<T>(n.images * n.features());
  head_.probability = arena_.make<T>(n.images * n.ways);
  head_.dl = arena_.make<T>(n.images * n.ways);
  head_.d_features = arena_.make<T>(n.images * n.features());
}

template <class T>
void TaskTape<T>::use_memory(Workspace<T>& workspace) {
  for (size_t l = 0; l < blocks_.size(); ++l) {
    Block& block = blocks_[l];
    if (l < first_) {
      block.memory = workspace.block(l);
    }
    if (l + 1 == first_) {
      block.memory.buffers.y = first_input_;
    }
    block.buffers = block.memory.buffers;
    block.x = l == 0 ? nullptr : blocks_[l - 1].buffers.y;
  }
  head_.out = blocks_.back().buffers.y;
}

template <class T>
void TaskTape<T>::use_gradients(Workspace<T>& workspace) {
  blocks_[0].memory.dy = workspace.first_gradient();
  head_.d_out = blocks_.back().memory.dy;
}

template <class T>
void TaskTape<T>::use_tangents(size_t first, Workspace<T>& workspace) {
  head_.out_t = nullptr;
  for (size_t l = first; l < blocks_.size(); ++l) {
    const BlockTangents<T>& t = workspace.tangents(l);
    Block& block = blocks_[l];
    block.x_t = l > first ? blocks_[l - 1].buffers.y_t : nullptr;
    block.buffers.u_t = t.u_t, block.buffers.y_t = t.y_t;
    block.buffers.mean_t = t.mean_t, block.buffers.mean_hu_t = t.mean_hu_t;
    block.buffers.du_t = t.du_t;
    block.transposed_t = t.transposed_t;
    block.dy_t = t.dy_t;
    head_.out_t = t.y_t, head_.d_out_t = t.dy_t;  // of the last block in the end
  }
  const HeadTangents<T>& t = workspace.head_tangents();
  head_.features_t = t.features_t, head_.logits_t = t.logits_t, head_.d_features_t = t.d_features_t;
}

/// Batch norm subtracts whatever bias the convolution adds.
template <class T>
void TaskTape<T>::clear_bias(size_t l, T* gradient) const {
  const BlockGeometry& g = plan_.blocks[l];
  const int64_t weights = g.taps() * g.in_channels * g.sizes.channels;
  std::fill_n(gradient + plan_.parameters->blocks()[l].weight + weights, g.sizes.channels, T(0));
}

template <class T>
FirstBlock<T> TaskTape<T>::first_block(Workspace<T>& workspace) const {
  const Block& block = blocks_[0];
  return {plan_.blocks[0], *images_, block.memory.first, block.buffers, workspace.scratch()};
}

template <class T>
typename FirstBlock<T>::Parameters TaskTape<T>::first_parameters(const T* flat) const {
  const auto& at = plan_.parameters->blocks()[0];
  return {flat + at.weight, flat + at.norm_weight, flat + at.norm_bias};
}

template <class T>
typename FirstBlock<T>::Gradients TaskTape<T>::first_gradients(T* flat) const {
  const auto& at = plan_.parameters->blocks()[0];
  return {flat + at.weight, flat + at.norm_weight, flat + at.norm_bias};
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
void TaskTape<T>::block_value(size_t l, const T* parameters, Workspace<T>& workspace) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T>& b = block.buffers;
  const int64_t n = g.sizes.images, f = g.sizes.channels;
  Convolution<T> convolution(g, workspace.scratch());
  const T* filters = convolution.filters(parameters + at.weight);
  for (int64_t i = 0; i < n; i += g.chunk) {
    const int64_t images = std::min(g.chunk, n - i);
    T* u = b.u + i * g.conv_image();
    convolution.value(images, {block.x + i * g.input_image(), filters}, {}, u);
    timed(Part::normalisation, [&] {
      kernels_.statistics(u, images * g.conv_pixels(), f, i * g.conv_pixels(), b.mean, block.memory.squares);
    });
  }
  const T count = static_cast<T>(n * g.conv_pixels()), eps = static_cast<T>(plan_.batch_norm_eps);
  for (int64_t c = 0; c < f; ++c) {
    b.scale[c] = T(1) / std::sqrt(block.memory.squares[c] / count + eps);
  }
  b.gamma = parameters + at.norm_weight;
  b.beta = parameters + at.norm_bias;
  timed(Part::normalisation, [&] { kernels_.value(g.sizes, b); });
}

template <class T>
void TaskTape<T>::block_adjoint(size_t l, const T* parameters, T* gradient, Workspace<T>& workspace) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T> b = block.buffers;
  b.dy = block.memory.dy;
  b.beta_gradient = gradient + at.norm_bias;
  b.gamma_gradient = gradient + at.norm_weight;
  timed(Part::normalisation, [&] { kernels_.adjoint_sums(g.sizes, b); });
  // A Hessian product will want the sums again.
  std::copy_n(b.beta_gradient, g.sizes.channels, block.buffers.beta_gradient);
  std::copy_n(b.gamma_gradient, g.sizes.channels, block.buffers.gamma_gradient);
  Convolution<T> convolution(g, workspace.scratch());
  const T* filters = convolution.filters(block.memory.transposed);
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    b.du = workspace.gradient(l);
    timed(Part::normalisation, [&] { kernels_.adjoint(g.sizes, b, i, i + images); });
    convolution.weight_gradient(images, block.x + i * g.input_image(), b.du, gradient + at.weight, i > 0);
    convolution.input_gradient(images, {b.du, filters}, {},
                               blocks_[l - 1].memory.dy + i * g.input_gradient_image());
  }
  convolution.finish_weights(gradient + at.weight);
  clear_bias(l, gradient);
}

template <class T>
void TaskTape<T>::blocks_value(const T* parameters, const T* images, Workspace<T>& workspace) {
  parameters_ = parameters;
  use_memory(workspace);
  images_ = workspace.images(images);
  first_block(workspace).value(first_parameters(parameters), plan_.batch_norm_eps);
  for (size_t l = 1; l < blocks_.size(); ++l) {
    block_value(l, parameters, workspace);
  }
}

template <class T>
void TaskTape<T>::blocks_adjoint(const T* parameters, T* gradient, Workspace<T>& workspace) {
  for (size_t l = blocks_.size(); --l > 0;) {
    transpose_weights(l, parameters + plan_.parameters->blocks()[l].weight, blocks_[l].memory.transposed);
    block_adjoint(l, parameters, gradient, workspace);
  }
  first_block(workspace).adjoint(first_parameters(parameters), blocks_[0].memory.dy,
                                 first_gradients(gradient));
  clear_bias(0, gradient);
}

template <class T>
const T* TaskTape<T>::features(const T* parameters, const T* images, Workspace<T>& workspace) {
  blocks_value(parameters, images, workspace);
  const PartTimer timer(Part::head);
  return head_features(plan_.head, head_);
}

template <class T>
void TaskTape<T>::features_adjoint(const T* d, T* gradient, Workspace<T>& workspace) {
  use_gradients(workspace);
  timed(Part::head, [&] { head_features_adjoint(plan_.head, head_, d); });
  blocks_adjoint(parameters_, gradient, workspace);
  const int64_t head = plan_.parameters->head_weight();
  std::fill_n(gradient + head, plan_.parameters->size() - head, T(0));
}

template <class T>
LossAndAccuracy TaskTape<T>::value(const T* parameters, const T* images, const int64_t* labels,
                                   Workspace<T>& workspace) {
  blocks_value(parameters, images, workspace);
  const PartTimer timer(Part::head);
  return head_value<T>(plan_.head, head_, head_parameters(parameters), labels);
}

template <class T>
LossAndAccuracy TaskTape<T>::gradient(const T* parameters, const T* images, const int64_t* labels,
                                      T* gradient, Workspace<T>& workspace) {
  const PaddedParameters& at = *plan_.parameters;
  const LossAndAccuracy result = value(parameters, images, labels, workspace);
  use_gradients(workspace);
  timed(Part::head, [&] {
    head_adjoint<T>(plan_.head, head_, head_parameters(parameters), labels,
                    {gradient + at.head_weight(), gradient + at.head_bias()});
  });
  blocks_adjoint(parameters, gradient, workspace);
  return result;
}

template <class T>
void TaskTape<T>::block_tangent(size_t l, const T* v, Workspace<T>& workspace) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T>& b = block.buffers;
  Convolution<T> convolution(g, workspace.scratch());
  const T* filters_t = convolution.filters(v + at.weight);
  const T* filters = block.x_t ? convolution.second_filters(parameters_ + at.weight) : nullptr;
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    const T* x_t = block.x_t ? block.x_t + i * g.input_image() : nullptr;
    convolution.value(images, {block.x + i * g.input_image(), filters_t}, {x_t, filters},
                      b.u_t + i * g.conv_image());
  }
  b.gamma_t = v + at.norm_weight;
  b.beta_t = v + at.norm_bias;
  timed(Part::normalisation, [&] { kernels_.tangent_sums(g.sizes, b); });
  timed(Part::normalisation, [&] { kernels_.tangent(g.sizes, b); });
}

template <class T>
void TaskTape<T>::block_tangent_adjoint(size_t l, const T* v, T* product, Workspace<T>& workspace) {
  const BlockGeometry& g = plan_.blocks[l];
  const auto& at = plan_.parameters->blocks()[l];
  Block& block = blocks_[l];
  BlockBuffers<T> b = block.buffers;
  b.dy = block.memory.dy;
  b.dy_t = block.dy_t;
  b.beta_gradient_t = product + at.norm_bias;
  b.gamma_gradient_t = product + at.norm_weight;
  timed(Part::normalisation, [&] { kernels_.tangent_adjoint_sums(g.sizes, b); });
  T* weights = product + at.weight;
  Convolution<T> convolution(g, workspace.scratch());
  const T* filters = block.x_t ? convolution.filters(block.memory.transposed) : nullptr;
  const T* filters_t = block.x_t ? convolution.second_filters(block.transposed_t) : nullptr;
  for (int64_t i = 0; i < g.sizes.images; i += g.chunk) {
    const int64_t images = std::min(g.chunk, g.sizes.images - i);
    timed(Part::normalisation, [&] { kernels_.tangent_adjoint(g.sizes, b, i, i + images); });
    convolution.weight_gradient(images, block.x + i * g.input_image(), b.du_t, weights, i > 0);
    if (block.x_t) {
      // Made again: the pass is cheap, and kept for all images du would be the largest part of a tape.
      b.du = workspace.gradient(l);
      timed(Part::normalisation, [&] { kernels_.adjoint(g.sizes, b, i, i + images); });
      convolution.weight_gradient(images, block.x_t + i * g.input_image(), b.du, weights, true);
      convolution.input_gradient(images, {b.du_t, filters}, {b.du, filters_t},
                                 blocks_[l - 1].dy_t + i * g.input_gradient_image());
    }
  }
  convolution.finish_weights(weights);
  clear_bias(l, product);
}

template <class T>
void TaskTape<T>::hessian_product(size_t first, const T* v, T* product, Workspace<T>& workspace) {
  const PaddedParameters& at = *plan_.parameters;
  use_tangents(first, workspace);
  const auto p = first_parameters(parameters_), p_t = first_parameters(v);
  if (first == 0) {
    first_block(workspace).tangent(p, p_t, workspace.tangents(0).first, blocks_[0].buffers.y_t);
  }
  for (size_t l = std::max<size_t>(first, 1); l < blocks_.size(); ++l) {
    block_tangent(l, v, workspace);
  }
  timed(Part::head, [&] {
    head_tangent<T>(plan_.head, head_, head_parameters(parameters_), head_parameters(v),
                    {product + at.head_weight(), product + at.head_bias()});
  });
  for (size_t l = blocks_.size(); l-- > std::max<size_t>(first, 1);) {
    if (l > first) {
      transpose_weights(l, v + at.blocks()[l].weight, blocks_[l].transposed_t);
    }
    block_tangent_adjoint(l, v, product, workspace);
  }
  if (first == 0) {
    first_block(workspace).tangent_adjoint(p, p_t, workspace.tangents(0).first, blocks_[0].dy_t,
                                           first_gradients(product));
    clear_bias(0, product);
  }
  std::fill_n(product, at.begin(first), T(0));
}

template class TaskTape<float>;
template class TaskTape<double>;

}  // namespace ufo::nn::cpu
