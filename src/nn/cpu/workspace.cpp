#include "workspace.h"

#include <ATen/ATen.h>

namespace ufo::nn::cpu {

template <class T>
T* Arena::make(int64_t count) {
  storage_.push_back(at::zeros({count}, c10::CppTypeToScalarType<T>::value));
  return storage_.back().template mutable_data_ptr<T>();
}

template <class T>
T* Scratch<T>::at(Slot slot, int64_t count) {
  at::Tensor& memory = slots_[slot];
  if (!memory.defined() || memory.numel() < count) {
    memory = at::empty({count}, c10::CppTypeToScalarType<T>::value);
  }
  return memory.template mutable_data_ptr<T>();
}

template <class T>
BlockMemory<T> BlockMemory<T>::make(const BlockGeometry& g, bool first, Arena& arena) {
  const int64_t n = g.sizes.images, f = g.sizes.channels;
  BlockMemory memory;
  BlockBuffers<T>& b = memory.buffers;
  if (first) {
    memory.images = arena.make<T>(n * g.input_image());
  } else {
    memory.transposed = arena.make<T>(g.taps() * g.in_channels * f);
  }
  b.u = arena.make<T>(n * g.conv_image());
  b.y = arena.make<T>(n * g.padded_out_image());
  if (g.sizes.pooled) {
    b.winner = arena.make<uint8_t>(n * g.out_image());
    b.winner_h = arena.make<T>(n * g.out_image());
  }
  for (T** channels : {&b.mean, &b.scale, &b.beta_gradient, &b.gamma_gradient, &memory.squares}) {
    *channels = arena.make<T>(f);
  }
  memory.dy = arena.make<T>(n * g.out_image());
  return memory;
}

template <class T>
Workspace<T>::Workspace(const TaskPlan& plan)
    : plan_(plan),
      blocks_(plan.blocks.size()),
      gradients_(plan.blocks.size()),
      tangents_(plan.blocks.size()) {}

template <class T>
const BlockMemory<T>& Workspace<T>::block(size_t l) {
  if (!blocks_[l]) {
    blocks_[l] = BlockMemory<T>::make(plan_.blocks[l], l == 0, arena_);
  }
  return *blocks_[l];
}

template <class T>
T* Workspace<T>::gradient(size_t l) {
  if (gradients_[l] == nullptr) {
    const BlockGeometry& g = plan_.blocks[l];
    gradients_[l] = arena_.make<T>(g.chunk * g.gradient_image());
  }
  return gradients_[l];
}

template <class T>
const BlockTangents<T>& Workspace<T>::tangents(size_t l) {
  if (!tangents_[l]) {
    const BlockGeometry& g = plan_.blocks[l];
    const int64_t n = g.sizes.images, f = g.sizes.channels;
    tangents_[l] = {.u_t = arena_.make<T>(n * g.conv_image()),
                    .y_t = arena_.make<T>(n * g.padded_out_image()),
                    .dy_t = arena_.make<T>(n * g.out_image()),
                    .mean_t = arena_.make<T>(f),
                    .mean_hu_t = arena_.make<T>(f),
                    .du_t = arena_.make<T>(g.chunk * g.gradient_image()),
                    .transposed_t = arena_.make<T>(g.taps() * g.in_channels * f)};
  }
  return *tangents_[l];
}

template <class T>
const HeadTangents<T>& Workspace<T>::head_tangents() {
  if (!head_tangents_) {
    const HeadSizes& n = plan_.head;
    head_tangents_ = {.features_t = arena_.make<T>(n.images * n.features()),
                      .logits_t = arena_.make<T>(n.images * n.ways),
                      .d_features_t = arena_.make<T>(n.images * n.features())};
  }
  return *head_tangents_;
}

template float* Arena::make<float>(int64_t);
template double* Arena::make<double>(int64_t);
template class Scratch<float>;
template class Scratch<double>;
template struct BlockMemory<float>;
template struct BlockMemory<double>;
template class Workspace<float>;
template class Workspace<double>;

}  // namespace ufo::nn::cpu
