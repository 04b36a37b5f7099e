#pragma once

#include "geometry.h"
#include "scratch.h"

namespace ufo::nn::cpu {

/// The three products of one block's convolution, for chunks of images: by the index lists of its geometry,
/// or by fewer multiplications where the geometry has a plan of tiles. Where threads are idle each product is
/// dealt out among them, which changes no byte of it.
template <class T>
class Convolution {
 public:
  Convolution(const BlockGeometry& geometry, Scratch<T>& scratch);

  /// An image and the weights that it is multiplied with: in the first factors of a product as filters()
  /// gives them, in the second as second_filters() does.
  struct Factors {
    const T* image = nullptr;
    const T* filters = nullptr;
  };

  /// Weights [K, K, C, F], or the transposed ones [K, K, F, C], as the products take them: what is
  /// made of them is kept for both factors of a sum of two, until the next call for the same, and the weights
  /// must stay as they are.
  const T* filters(const T* weights) { return filters(weights, Scratch<T>::filters); }
  const T* second_filters(const T* weights) { return filters(weights, Scratch<T>::second_filters); }

  /// u = x * w (+ x2 * w2) for the first images of a chunk.
  void value(int64_t images, Factors x, Factors x2, T* u) const;

  /// dx = du * w' (+ du2 * w2') with transposed weights.
  void input_gradient(int64_t images, Factors du, Factors du2, T* dx) const;

  /// dw (+)= x' * du. dw is complete after finish_weights().
  void weight_gradient(int64_t images, const T* x, const T* du, T* dw, bool accumulate) const;
  void finish_weights(T* dw) const;

 private:
  const T* filters(const T* weights, typename Scratch<T>::Slot slot);
  void multiply_rows(const std::vector<RowsPlan>& plans, int64_t images, Factors factors, T* c,
                     bool accumulate) const;
  void multiply_rows(const std::vector<WeightsPlan>& plans, int64_t images, const T* x, const T* du, T* dw,
                     bool accumulate) const;
  /// The way from an image of `in` channels to one of `out` channels.
  struct Path {
    const TransformPair<T>& transforms;
    int64_t in, out;
  };
  void multiply_tiles(const Path& path, int64_t images, Factors first, Factors second, T* c) const;
  void multiply_tiles(int64_t images, const T* x, const T* du, bool accumulate) const;
  /// Units that are worked on at once.
  int64_t tile_step(int64_t units) const;
  /// Calls multiply(matrix) for all matrices of the tiles.
  template <class Multiply>
  void for_matrices(double flops, Multiply&& multiply) const;
  /// Matrix `m` of weights whose other matrices than taps are these.
  const T* matrix(const T* weights, const T* matrices, int64_t m) const {
    const int64_t tap = geometry_.tiles->tap[m];
    return tap < 0 ? matrices + m * filter_matrix() : weights + tap * filter_size();
  }
  T* matrices(typename Scratch<T>::Slot slot) const {
    return scratch_.at(slot, geometry_.tiles->matrices() * filter_matrix());
  }
  /// From one matrix of weights to the next.
  int64_t filter_matrix() const { return geometry_.tiles->filter_matrix(filter_size()); }
  int64_t filter_size() const { return geometry_.in_channels * geometry_.sizes.channels; }
  const TileTransforms<T>& transforms() const {
    return kernels_.tiles[static_cast<size_t>(geometry_.tiles->algorithm)];
  }

  const BlockGeometry& geometry_;
  const Kernels<T>& kernels_;
  Scratch<T>& scratch_;
};

}  // namespace ufo::nn::cpu
