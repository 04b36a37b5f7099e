#pragma once

#include "convolution.h"
#include "head.h"
#include "parameters.h"

#include <limits>
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

/// Zeroed memory that lives as long as this: the buffers of a tape.
class Arena {
 public:
  template <class T>
  T* make(int64_t count);

 private:
  std::vector<at::Tensor> storage_;
};

/// In place of a block's number: no Hessian product will be asked for.
inline constexpr size_t kNoProducts = std::numeric_limits<size_t>::max();

/// One task's network at one point: the activations that the gradient leaves behind, and products with the
/// Hessian from them (Pearlmutter, Neural Computation 1994). The order of work within a block is: convolution
/// and statistics chunk by chunk, then the normalisation; on the way back the gradient of the block's output
/// chunk by chunk, each chunk at once multiplied into the weights' and the input's gradient while it is in
/// cache.
template <class T>
class TaskTape {
 public:
  /// With room for Hessian products of the blocks from `first` on and of the head; of the head alone where
  /// that is the number of blocks.
  TaskTape(const TaskPlan& plan, size_t first);

  /// images [S, H, W, C] contiguous, labels [S]; parameters in the padded order.
  LossAndAccuracy value(const T* parameters, const T* images, const int64_t* labels, Scratch<T>& scratch);

  /// With the gradient, in the padded order too, every element of which is written. The parameters must stay
  /// where they are until the last hessian_product().
  LossAndAccuracy gradient(const T* parameters, const T* images, const int64_t* labels, T* gradient,
                           Scratch<T>& scratch);

  /// product = P H P v at the point of the last gradient(), where P keeps the parameters from block `first`
  /// on and sets those below to zero: a product with the Hessian's block of these parameters.
  void hessian_product(const T* v, T* product, Scratch<T>& scratch);

 private:
  /// Buffers of one block beside BlockBuffers.
  struct Block {
    BlockBuffers<T> buffers{};
    T* x = nullptr;  ///< padded input
    T* x_t =
        nullptr;  ///< its tangent; none for what no direction moves: the images, and blocks below the first
    T* squares = nullptr;
    T* transposed = nullptr;    ///< the weights, tap by tap [F, C]
    T* transposed_t = nullptr;  ///< those of a direction
    T* dy = nullptr;
    T* dy_t = nullptr;
  };

  void allocate(Arena& arena);
  void allocate_tangents(Arena& arena);
  void load_images(const T* images);
  HeadParameters<T> head_parameters(const T* parameters) const {
    return {parameters + plan_.parameters->head_weight(), parameters + plan_.parameters->head_bias()};
  }
  void transpose_weights(size_t l, const T* weights, T* transposed) const;
  void block_value(size_t l, const T* parameters, Scratch<T>& scratch);
  void block_adjoint(size_t l, const T* parameters, T* gradient, Scratch<T>& scratch);
  void block_tangent(size_t l, const T* v, Scratch<T>& scratch);
  void block_tangent_adjoint(size_t l, const T* v, T* product, Scratch<T>& scratch);
  /// Whether Hessian products will need the du of block l again: above the first block that they move.
  bool keeps_gradient(size_t l) const { return first_ != kNoProducts && l > first_; }
  /// du of the images from `begin` on.
  T* gradient_chunk(size_t l, int64_t begin) const;

  const TaskPlan& plan_;
  const Kernels<T>& kernels_;
  size_t first_;  ///< the first block that Hessian products move
  Arena arena_;
  std::vector<Block> blocks_;
  std::vector<T*> du_;
  HeadBuffers<T> head_{};
  const T* parameters_ = nullptr;
};

}  // namespace ufo::nn::cpu
