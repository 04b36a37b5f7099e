#pragma once

#include <cstdint>

/// The inner loops of the CPU engine behind plain structs and function pointers, so that they can be compiled
/// once for each instruction set and chosen at run time. Everything is channels last, and F is a number of
/// channels rounded up to whole vectors. docs/engine.md explains the convolution with a picture.
namespace ufo::nn::cpu {

/// A convolution as a matrix product that never forms its left matrix. Row i of the result reads `segments`
/// runs of `length` neighbouring numbers of A, each against as many rows of B:
///   C[c[i] + f] (+)= sum_s sum_j A[a[i] + a_segment[s] + j] * B[(b_segment[s] + j) * columns + f],
/// f < columns.
/// In an image with zero padding and channels last, the kernel's row at a pixel is one such run.
struct RowsProduct {
  const int32_t* a;
  const int32_t* c;
  const int32_t* a_segment;
  const int32_t* b_segment;  ///< in rows of B
  int64_t segments;
  int64_t length;
  int64_t columns;  ///< a multiple of the vector length
};

/// The transposed product, which sums over the pixels p:
///   C[i * columns + f] (+)= sum_p A[row[i] + a[p]] * B[b[p] + f],  f < columns.
struct WeightsProduct {
  const int32_t* row;
  const int32_t* a;
  const int32_t* b;
  int64_t rows;
  int64_t columns;
};

/// A product with a matrix of its own at each of some points, as Winograd's algorithm makes them of a
/// convolution:
///   C[p] = A[p] B[p] (+ A2[p] B2[p]),  A[p] [rows, depth], B[p] [depth, columns], C[p] [rows, columns].
struct PointsProduct {
  int64_t rows;
  int64_t depth, columns;             ///< multiples of the vector length
  int64_t a_point, b_point, c_point;  ///< from one point's matrix to the next, in numbers
};

/// The m x m outputs into which Winograd's algorithm cuts what a 3x3 kernel makes of an image at stride 1. A
/// tile sees n x n inputs, n = m + 2, and has n x n points, each a row of `channels` numbers: rows of tiles
/// lie one behind the other in the matrix of a point, and tiles at the right and lower edge may reach beyond
/// the image.
struct Tiles {
  int64_t height, width;  ///< of the outputs; inputs and gradients have a border of one pixel of zeros
  int64_t channels;
  int64_t rows, columns;  ///< of tiles
  int64_t point;          ///< from one point's matrix to the next, in numbers
};

inline constexpr int64_t kSmallestTile = 3;

/// The transforms between images and points. Rows of tiles [begin, end) are counted through all images, and
/// the points begin with those of `begin`.
template <class T>
struct TileTransforms {
  int64_t size;  ///< m

  void (*inputs)(const Tiles&, int64_t begin, int64_t end, const T* x, T* points);
  /// The adjoint of `outputs`.
  void (*gradients)(const Tiles&, int64_t begin, int64_t end, const T* du, T* points);
  void (*outputs)(const Tiles&, int64_t begin, int64_t end, const T* points, T* u);

  /// Weights [3, 3, numbers] to their points, `point` numbers apart.
  void (*filter)(const T* w, int64_t numbers, int64_t point, T* points);
  /// Its adjoint.
  void (*filter_gradient)(const T* points, int64_t numbers, int64_t point, T* dw);
};

/// The sizes of batch norm, ReLU and pooling behind a convolution: u and its derivatives are
/// [images, height, width, F], y and its derivatives [images, out_height, out_width, F].
struct BlockSizes {
  int64_t images;
  int64_t height, width;
  int64_t out_height, out_width;
  int64_t channels;          ///< F
  int64_t out_padding;       ///< zero pixels around y and its tangent
  int64_t gradient_padding;  ///< zero pixels around du and its tangent
  bool pooled;               ///< 2x2 max-pool, else out = conv sizes
  double negative_slope;     ///< s, of the rectifier below zero
};

/// The buffers of one block. With h = (u - mean) * scale, scale = 1 / sqrt(variance + eps), z = gamma h +
/// beta, the block's value is y = max(s z, z), or the largest of these in each 2x2 window. A trailing _t is a
/// tangent: the derivative along the direction in which the parameters move.
template <class T>
struct BlockBuffers {
  T* u;
  T* y;
  uint8_t* winner;  ///< pooled: which of its window's four each output took, 4 where s = 0 cut it off
  T* winner_h;      ///< pooled: h there
  T* mean;
  T* scale;
  const T* gamma;
  const T* beta;

  const T* dy;
  T* du;
  T* beta_gradient;   ///< sum of dz
  T* gamma_gradient;  ///< sum of dz h

  T* u_t;
  T* y_t;
  const T* gamma_t;
  const T* beta_t;
  T* mean_t;     ///< mean of u_t
  T* mean_hu_t;  ///< mean of h u_t
  const T* dy_t;
  T* du_t;
  T* beta_gradient_t;
  T* gamma_gradient_t;
};

/// The kernels for numbers of type T (float or double).
template <class T>
struct Kernels {
  int64_t lanes;      ///< numbers in a vector: F is a multiple of it
  int64_t tile_rows;  ///< rows that the widest tile of a product works on at once

  /// Rows [begin, end) of a RowsProduct.
  void (*rows)(const RowsProduct&, int64_t begin, int64_t end, const T* a, const T* b, T* c, bool accumulate);

  /// A WeightsProduct over the first `pixels` pixels.
  void (*weights)(const WeightsProduct&, int64_t pixels, const T* a, const T* b, T* c, bool accumulate);

  /// Points [begin, end) of a PointsProduct; A2 and B2 may be null.
  void (*points)(const PointsProduct&, int64_t begin, int64_t end, const T* a, const T* b, const T* a2,
                 const T* b2, T* c);

  /// The transposed product B[p] (+)= A[p]' C[p].
  void (*points_weights)(const PointsProduct&, int64_t begin, int64_t end, const T* a, const T* c, T* b,
                         bool accumulate);

  TileTransforms<T> tiles[2];  ///< of sizes kSmallestTile and one more

  /// The mean and the sum of squared distances from it of `pixels` more rows u [pixels, F], merged with those
  /// of the `seen` rows before (Chan, Golub and LeVeque, 1983).
  void (*statistics)(const T* u, int64_t pixels, int64_t channels, int64_t seen, T* mean, T* squares);

  /// y from u, mean and scale.
  void (*value)(const BlockSizes&, const BlockBuffers<T>&);
  /// beta_gradient and gamma_gradient from dy.
  void (*adjoint_sums)(const BlockSizes&, const BlockBuffers<T>&);
  /// du of the images [begin, end) from dy and those sums; du points at image `begin`.
  void (*adjoint)(const BlockSizes&, const BlockBuffers<T>&, int64_t begin, int64_t end);
  /// mean_t and mean_hu_t from u_t.
  void (*tangent_sums)(const BlockSizes&, const BlockBuffers<T>&);
  /// y_t from u_t; u_t becomes h_t.
  void (*tangent)(const BlockSizes&, const BlockBuffers<T>&);
  /// beta_gradient_t and gamma_gradient_t from dy, dy_t and h_t (in u_t).
  void (*tangent_adjoint_sums)(const BlockSizes&, const BlockBuffers<T>&);
  /// du_t of the images [begin, end); du_t points at image `begin`.
  void (*tangent_adjoint)(const BlockSizes&, const BlockBuffers<T>&, int64_t begin, int64_t end);

  /// a [rows, columns] to b [columns, rows]; both whole vectors.
  void (*transpose)(const T* a, int64_t rows, int64_t columns, T* b);
  /// sum_i a[i] b[i]
  T (*dot)(const T* a, const T* b, int64_t n);
  /// y += factor x
  void (*add_scaled)(T* y, T factor, const T* x, int64_t n);
};

/// The kernels of the widest instruction set that this processor has. The environment variable UFO_CPU
/// (avx512, avx2 or baseline) asks for a narrower one; any other word throws UserError.
template <class T>
const Kernels<T>& kernels();
template <>
const Kernels<float>& kernels<float>();
template <>
const Kernels<double>& kernels<double>();

/// "avx512", "avx2" or "baseline": what kernels() chose.
const char* instruction_set();

}  // namespace ufo::nn::cpu
