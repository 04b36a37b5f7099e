#include "workspace.h"

#include <algorithm>
#include <atomic>

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
  b.y = arena.make<T>(n * g.padded_out_image());
  if (g.sizes.pooled) {
    b.winner = arena.make<uint8_t>(n * g.out_image());
  }
  if (first) {
    FirstBlockState& s = memory.first;
    for (double** channels : {&s.mean, &s.scale, &s.beta_gradient, &s.gamma_gradient}) {
      *channels = arena.make<double>(f);
    }
    for (double** matrix : {&s.spread, &s.products}) {
      *matrix = arena.make<double>(g.taps() * g.in_channels * f);
    }
    return memory;
  }
  memory.transposed = arena.make<T>(g.taps() * g.in_channels * f);
  b.u = arena.make<T>(n * g.conv_image());
  if (g.sizes.pooled) {
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
std::shared_ptr<const ImageSet<T>> Workspace<T>::images(const T* images) {
  for (const auto& set : images_) {
    if (set->holds(images)) {
      return set;
    }
  }
  const auto is_free = [](const auto& set) { return set.use_count() == 1; };
  auto set = std::find_if(images_.begin(), images_.end(), is_free);
  if (set == images_.end()) {
    set = images_.insert(set, std::make_shared<ImageSet<T>>(plan_.blocks[0]));
  }
  std::atomic_thread_fence(std::memory_order_acquire);  // behind the last reads of whoever had it
  (*set)->load(images);
  return *set;
}

template <class T>
T* Workspace<T>::first_gradient() {
  if (first_gradient_ == nullptr) {
    const BlockGeometry& g = plan_.blocks[0];
    first_gradient_ = arena_.make<T>(g.sizes.images * g.out_image());
  }
  return first_gradient_;
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
    const int64_t n = g.sizes.images, f = g.sizes.channels, weights = g.taps() * g.in_channels * f;
    BlockTangents<T> t{.y_t = arena_.make<T>(n * g.padded_out_image())};
    if (l == 0) {
      t.dy_t = first_gradient();
      t.first = {.spread_t = arena_.make<double>(weights),
                 .mean_t = arena_.make<double>(f),
                 .mean_hu_t = arena_.make<double>(f)};
    } else {
      t.dy_t = arena_.make<T>(n * g.out_image());
      t.u_t = arena_.make<T>(n * g.conv_image());
      t.mean_t = arena_.make<T>(f), t.mean_hu_t = arena_.make<T>(f);
      t.du_t = arena_.make<T>(g.chunk * g.gradient_image());
      t.transposed_t = arena_.make<T>(weights);
    }
    tangents_[l] = t;
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
