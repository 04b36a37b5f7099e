#pragma once

#include "convolution.h"
#include "workspace.h"

#include <limits>
#include <vector>

namespace ufo::nn::cpu {

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
  /// For Hessian products of the blocks from `first` on and of the head; of the head alone where that is the
  /// number of blocks. What they need of these blocks is kept here, all else is the workspace's.
  TaskTape(const TaskPlan& plan, size_t first);

  const HeadSizes& head() const { return plan_.head; }

  /// images [S, H, W, C] contiguous, labels [S]; parameters in the padded order.
  LossAndAccuracy value(const T* parameters, const T* images, const int64_t* labels, Workspace<T>& workspace);

  /// With the gradient, in the padded order too, every element of which is written. The parameters must stay
  /// where they are until the last hessian_product().
  LossAndAccuracy gradient(const T* parameters, const T* images, const int64_t* labels, T* gradient,
                           Workspace<T>& workspace);

  /// The features before the head [S, F], channels padded, which stay until the next call. Only for tapes of
  /// Hessian products from block 0 on, whose blocks stay as this leaves them.
  const T* features(const T* parameters, const T* images, Workspace<T>& workspace);

  /// (d features / d parameters)^T d for d [S, F] at the point of the last features(), in the padded order;
  /// the head's are zero.
  void features_adjoint(const T* d, T* gradient, Workspace<T>& workspace);

  /// product = P H P v at the point of the last gradient(), where P keeps the parameters from block `first`
  /// on and sets those below to zero: a product with the Hessian's block of these parameters. `first` is none
  /// before that of the constructor.
  void hessian_product(size_t first, const T* v, T* product, Workspace<T>& workspace);

  /// Lets go of the images of the last call, and with them of its Hessian products.
  void forget_images() { images_ = nullptr; }

 private:
  struct Block {
    BlockMemory<T> memory;
    BlockBuffers<T> buffers{};  ///< the memory's, with what a call adds
    const T* x = nullptr;       ///< padded input, but for the first block
    const T* x_t = nullptr;     ///< its tangent; none for what no direction moves
    T* transposed_t = nullptr;  ///< a direction's weights, tap by tap
    T* dy_t = nullptr;
  };

  void use_memory(Workspace<T>& workspace);
  void use_tangents(size_t first, Workspace<T>& workspace);
  void use_gradients(Workspace<T>& workspace);
  FirstBlock<T> first_block(Workspace<T>& workspace) const;
  typename FirstBlock<T>::Parameters first_parameters(const T* flat) const;
  typename FirstBlock<T>::Gradients first_gradients(T* flat) const;
  HeadParameters<T> head_parameters(const T* parameters) const {
    return {parameters + plan_.parameters->head_weight(), parameters + plan_.parameters->head_bias()};
  }
  void clear_bias(size_t l, T* gradient) const;
  void transpose_weights(size_t l, const T* weights, T* transposed) const;
  void blocks_value(const T* parameters, const T* images, Workspace<T>& workspace);
  void blocks_adjoint(const T* parameters, T* gradient, Workspace<T>& workspace);
  void block_value(size_t l, const T* parameters, Workspace<T>& workspace);
  void block_adjoint(size_t l, const T* parameters, T* gradient, Workspace<T>& workspace);
  void block_tangent(size_t l, const T* v, Workspace<T>& workspace);
  void block_tangent_adjoint(size_t l, const T* v, T* product, Workspace<T>& workspace);

  const TaskPlan& plan_;
  const Kernels<T>& kernels_;
  size_t first_;  ///< the first block that Hessian products may move
  Arena arena_;
  std::vector<Block> blocks_;
  std::shared_ptr<const ImageSet<T>> images_;
  T* first_input_ = nullptr;  ///< of block first_, unless these are the images
  HeadBuffers<T> head_{};
  const T* parameters_ = nullptr;
};

}  // namespace ufo::nn::cpu
