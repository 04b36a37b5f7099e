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

/// The product with one of the matrices that remain of a convolution when its images and weights are turned
/// into points: C = A B (+ A2 B2), A [rows, depth], B [depth, columns], C [rows, columns].
struct PointsProduct {
  int64_t rows;
  int64_t depth, columns;  ///< multiples of the vector length
};

/// The ways to convolve with a 3x3 kernel by fewer multiplications: at stride 1 Winograd's F(3, 3) and F(4,
/// 3), at stride 2 Toom and Cook's product of the odd pixels.
enum class Algorithm { winograd3, winograd4, polyphase };
inline constexpr int kAlgorithms = 3;

/// At stride 2 a tile is 6 pixels along an axis, or fewer at the end of one. Their points are of five kinds,
/// each with a filter of its own: one for the even pixels, and one at each of the points 0, 1, -1 and
/// infinity for the odd ones, of which this many are needed for so many pixels.
inline constexpr int64_t kPolyphaseTile = 6, kPolyphaseKinds = 5;
inline constexpr int64_t kOddPoints[kPolyphaseTile + 1] = {0, 0, 1, 3, 3, 3, 4};
/// The tap that the filter of a kind is; -1 where it is made of two.
inline constexpr int64_t kPolyphaseTap[kPolyphaseKinds] = {1, 2, -1, -1, 0};

/// Images cut into tiles, and where the points of some units lie. A unit is a row of tiles in Winograd's
/// algorithm and an image in the other. All points that multiply by one matrix, a row of `channels` numbers
/// each, lie one behind the other, unit by unit. Tiles at the right and lower edge may reach beyond the
/// image.
struct Tiles {
  int64_t height, width;  ///< of the inputs; inputs and the outputs' gradients have a border of zeros
  int64_t channels;
  int64_t rows, columns;     ///< of tiles
  int64_t first_unit;        ///< whose points come first
  int64_t units;             ///< that there is room for
  int64_t line;              ///< numbers between two matrices
  const int64_t* first_row;  ///< of each matrix, in a unit
};

/// The transforms between images and points of the units [begin, end), counted through all images.
template <class T>
struct TransformPair {
  void (*inputs)(const Tiles&, int64_t begin, int64_t end, const T* x, T* points);
  void (*outputs)(const Tiles&, int64_t begin, int64_t end, const T* points, T* u);
};

/// What an algorithm does before and after the products.
template <class T>
struct TileTransforms {
  TransformPair<T> value;           ///< x and u
  TransformPair<T> input_gradient;  ///< du and dx
  /// du for the gradient by the weights: the adjoint of the value's outputs.
  void (*gradients)(const Tiles&, int64_t begin, int64_t end, const T* du, T* points);

  /// Weights [3, 3, numbers] to the matrices, `matrix` numbers apart; those that are taps are left out.
  void (*filter)(const T* w, int64_t numbers, int64_t matrix, T* matrices);
  /// Its adjoint.
  void (*filter_gradient)(const T* matrices, int64_t numbers, int64_t matrix, T* dw);
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

/// The patches of the first block's images: what its kernel sees at one pixel, numbers() numbers.
struct PatchSizes {
  int64_t kernel, stride, channels;  ///< channels of the images, C
  int64_t row, image;     ///< numbers from one row, one image to the next, with the border of zeros
  const int32_t* offset;  ///< of a patch's numbers from its first

  int64_t numbers() const { return kernel * kernel * channels; }

  // The sizes of patch_products' results, rounded up to vectors of `lanes` numbers.
  static int64_t whole(int64_t numbers, int64_t lanes) { return (numbers + lanes - 1) / lanes * lanes; }
  int64_t window(int64_t lanes) const { return whole((2 * kernel - 1) * channels, lanes); }
  int64_t distance(int64_t lanes) const { return (stride + kernel) * channels * window(lanes); }
  int64_t row_sums(int64_t lanes) const { return whole(kernel * channels, lanes); }
};

/// The buffers of the first block in closed form, whose z is x filters + bias. y, winner and dy are as in
/// BlockBuffers.
template <class T>
struct PatchBuffers {
  const T* x;
  const T* filters;  ///< [K, F], K numbers of a patch
  const T* bias;     ///< [F]
  T* y;
  uint8_t* winner;
  T* y_t;
  const T* dy;
  T* products;  ///< [images, K, F]: of an image's patches with dz
  T* sums;      ///< [images, F]: of dz
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

  /// A PointsProduct; A2 and B2 may be null.
  void (*points)(const PointsProduct&, const T* a, const T* b, const T* a2, const T* b2, T* c);

  /// The transposed product B (+)= A' C.
  void (*points_weights)(const PointsProduct&, const T* a, const T* c, T* b, bool accumulate);

  TileTransforms<T> tiles[kAlgorithms];

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

  /// Adds up what the covariance of patches is made of, over `count` rows of the images, a stride apart, that
  /// begin with x, and the `outputs` patches of each. With the windows of 2 kernel - 1 pixels around each
  /// column, d < `distances` rows further down:
  ///   products[d][slot][channel][window's number] += x[column, channel] * window[number],
  /// where the slots are first one for the columns of each remainder by the stride that all taps of a row
  /// meet, then one for what each tap meets beside these. sums += the patches' first rows [kernel, C].
  void (*patch_products)(const PatchSizes&, int64_t count, int64_t outputs, const T* x, int64_t distances,
                         double* sums, double* products);
  /// y and winner of the images [begin, end).
  void (*patch_value)(const PatchSizes&, const BlockSizes&, const PatchBuffers<T>&, int64_t begin,
                      int64_t end);
  /// products and sums from dy.
  void (*patch_adjoint)(const PatchSizes&, const BlockSizes&, const PatchBuffers<T>&, int64_t begin,
                        int64_t end);
  /// y_t where filters and bias are those of z_t.
  void (*patch_tangent)(const PatchSizes&, const BlockSizes&, const PatchBuffers<T>&, int64_t begin,
                        int64_t end);

  /// a [rows, columns] to b [columns, rows]; both whole vectors.
  void (*transpose)(const T* a, int64_t rows, int64_t columns, T* b);
  /// sum_i a[i] b[i]
  T (*dot)(const T* a, const T* b, int64_t n);
  /// y += factor x
  void (*add_scaled)(T* y, T factor, const T* x, int64_t n);
};

/// The kernels of the widest instruction set that this processor has. The environment variable UFO_CPU
/// (avx512, avx2 or baseline; where tests are built, emulated_avx512) asks for another one; any other word
/// throws UserError.
template <class T>
const Kernels<T>& kernels();
template <>
const Kernels<float>& kernels<float>();
template <>
const Kernels<double>& kernels<double>();

/// "avx512", "avx2", "baseline" or "emulated_avx512": what kernels() chose.
const char* instruction_set();

}  // namespace ufo::nn::cpu
