#pragma once

#include "first_block.h"
#include "geometry.h"
#include "head.h"
#include "parameters.h"
#include "scratch.h"

#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::nn::cpu {

/// What does not change from tape to tape: where parameters lie, and the index lists for one number of
/// images.
struct TaskPlan {
  const PaddedParameters* parameters;
  std::vector<BlockGeometry> blocks;
  HeadSizes head;
  double batch_norm_eps;
};

/// Zeroed memory that lives as long as this.
class Arena {
 public:
  template <class T>
  T* make(int64_t count);

 private:
  std::vector<at::Tensor> storage_;
};

/// What the value and the gradient of one block leave behind.
template <class T>
struct BlockMemory {
  BlockBuffers<T> buffers{};  ///< without the tangents, dy and du; of the first block y and winner alone
  T* squares = nullptr;
  T* transposed = nullptr;  ///< the weights, tap by tap [F, C]
  T* dy = nullptr;          ///< but that of the first block
  FirstBlockState first{};  ///< in the first block

  static BlockMemory make(const BlockGeometry& geometry, bool first, Arena& arena);
};

/// What a Hessian product makes of one block on its way; of the first y_t and dy_t, and tangents of its own.
template <class T>
struct BlockTangents {
  T *y_t, *dy_t;
  T *u_t, *mean_t, *mean_hu_t;
  T* du_t;          ///< of one chunk
  T* transposed_t;  ///< the direction's weights, tap by tap
  FirstBlockTangents first;
};

template <class T>
struct HeadTangents {
  T *features_t, *logits_t, *d_features_t;
};

/// The memory that a thread works in, for one tape after another: all that no tape needs between its calls.
/// Made where it is first asked for.
template <class T>
class Workspace {
 public:
  explicit Workspace(const TaskPlan& plan);

  Scratch<T>& scratch() { return scratch_; }
  /// The images [S, H, W, C] of a task, ready for the first block: those of a call before where they are the
  /// same, as from one inner step to the next.
  std::shared_ptr<const ImageSet<T>> images(const T* images);
  /// dy of the first block, or its tangent: no tape needs them after the pass that they belong to.
  T* first_gradient();
  /// For blocks of which nothing is kept.
  const BlockMemory<T>& block(size_t l);
  /// du of one chunk of images of block l, with a border of zeros.
  T* gradient(size_t l);
  const BlockTangents<T>& tangents(size_t l);
  const HeadTangents<T>& head_tangents();

 private:
  const TaskPlan& plan_;
  Arena arena_;
  Scratch<T> scratch_;
  std::vector<std::shared_ptr<ImageSet<T>>> images_;
  T* first_gradient_ = nullptr;
  std::vector<std::optional<BlockMemory<T>>> blocks_;
  std::vector<T*> gradients_;
  std::vector<std::optional<BlockTangents<T>>> tangents_;
  std::optional<HeadTangents<T>> head_tangents_;
};

}  // namespace ufo::nn::cpu
