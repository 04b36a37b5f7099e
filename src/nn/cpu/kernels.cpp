// Compiled once for each instruction set, with UFO_INSTRUCTION_SET naming it. Nothing from the standard
// library may be instantiated here: the linker would keep one copy of it, perhaps one with instructions that
// the processor lacks.
#include "kernels.h"

#include "block_kernels.h"
#include "convolution_kernels.h"
#include "moment_kernels.h"
#include "patch_kernels.h"
#include "points_kernels.h"
#include "polyphase_kernels.h"
#include "vector.h"
#include "winograd_kernels.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {
namespace {

/// Vectors of channels that batch norm works on at once: more would not leave registers for its constants.
constexpr int kBlockVectors = kRegisters == 32 ? 2 : 1;

/// The numbers 0, ..., n - 1 as template arguments.
template <int... lane>
struct Lanes {};
template <int n, int... lane>
struct MakeLanes : MakeLanes<n - 1, n - 1, lane...> {};
template <int... lane>
struct MakeLanes<0, lane...> {
  using type = Lanes<lane...>;
};

/// total[v] = sum of term(u[p], v) over the pixels p, by blocks: rounding errors grow with the length of a
/// sum, and those of batch norm's statistics reach everything behind them.
template <class T, int vectors, class Term>
UFO_INLINE void sum_in_blocks(const T* u, int64_t pixels, int64_t channels, Vector<T>* total, Term&& term) {
  constexpr int64_t kBlock = 32;
  for (int64_t begin = 0; begin < pixels; begin += kBlock) {
    const int64_t end = begin + kBlock < pixels ? begin + kBlock : pixels;
    Vector<T> part[vectors] = {};
    for (int64_t p = begin; p < end; ++p) {
      for (int v = 0; v < vectors; ++v) {
        part[v] += term(load(u + p * channels + v * kLanes<T>), v);
      }
    }
    for (int v = 0; v < vectors; ++v) {
      total[v] += part[v];
    }
  }
}

template <class T, int vectors>
UFO_NOINLINE void statistics_panel(const T* u, int64_t pixels, int64_t channels, int64_t seen, T* mean,
                                   T* squares) {
  using V = Vector<T>;
  V chunk_mean[vectors] = {}, chunk_squares[vectors] = {};
  sum_in_blocks<T, vectors>(u, pixels, channels, chunk_mean, [](V x, int) UFO_FORCE { return x; });
  for (int v = 0; v < vectors; ++v) {
    chunk_mean[v] /= static_cast<T>(pixels);
  }
  sum_in_blocks<T, vectors>(u, pixels, channels, chunk_squares, [&](V x, int v) UFO_FORCE {
    const V d = x - chunk_mean[v];
    return d * d;
  });
  const T total = static_cast<T>(seen + pixels);
  const T share = static_cast<T>(pixels) / total, spread = static_cast<T>(seen) * share;
  for (int v = 0; v < vectors; ++v) {
    T *m = mean + v * kLanes<T>, *s = squares + v * kLanes<T>;
    const V before = seen ? load(m) : V{}, squares_before = seen ? load(s) : V{};
    const V d = chunk_mean[v] - before;
    store(m, before + d * share);
    store(s, squares_before + chunk_squares[v] + d * d * spread);
  }
}

template <class T>
void statistics(const T* u, int64_t pixels, int64_t channels, int64_t seen, T* mean, T* squares) {
  for_panels<T>(channels, [&]<int vectors>(int64_t column) {
    statistics_panel<T, vectors>(u + column, pixels, channels, seen, mean + column, squares + column);
  });
}

/// Calls pass(panel) for all panels of channels of a block.
template <class T, class Pass>
UFO_INLINE void for_block_panels(const BlockSizes& sizes, const BlockBuffers<T>& buffers, Pass&& pass) {
  for_panels<T, kBlockVectors>(sizes.channels, [&]<int vectors>(int64_t column) {
    const bool leaky = sizes.negative_slope > 0;
    if (sizes.pooled && leaky) {
      pass(BlockPanel<T, true, true, vectors>(sizes, buffers, column));
    } else if (sizes.pooled) {
      pass(BlockPanel<T, true, false, vectors>(sizes, buffers, column));
    } else if (leaky) {
      pass(BlockPanel<T, false, true, vectors>(sizes, buffers, column));
    } else {
      pass(BlockPanel<T, false, false, vectors>(sizes, buffers, column));
    }
  });
}

template <class T>
void value(const BlockSizes& sizes, const BlockBuffers<T>& buffers) {
  for_block_panels(sizes, buffers, [](const auto& panel) { panel.value(); });
}
template <class T>
void adjoint_sums(const BlockSizes& sizes, const BlockBuffers<T>& buffers) {
  for_block_panels(sizes, buffers, [](const auto& panel) { panel.adjoint_sums(); });
}
template <class T>
void adjoint(const BlockSizes& sizes, const BlockBuffers<T>& buffers, int64_t begin, int64_t end) {
  for_block_panels(sizes, buffers, [=](const auto& panel) { panel.adjoint(begin, end); });
}
template <class T>
void tangent_sums(const BlockSizes& sizes, const BlockBuffers<T>& buffers) {
  for_block_panels(sizes, buffers, [](const auto& panel) { panel.tangent_sums(); });
}
template <class T>
void tangent(const BlockSizes& sizes, const BlockBuffers<T>& buffers) {
  for_block_panels(sizes, buffers, [](const auto& panel) { panel.tangent(); });
}
template <class T>
void tangent_adjoint_sums(const BlockSizes& sizes, const BlockBuffers<T>& buffers) {
  for_block_panels(sizes, buffers, [](const auto& panel) { panel.tangent_adjoint_sums(); });
}
template <class T>
void tangent_adjoint(const BlockSizes& sizes, const BlockBuffers<T>& buffers, int64_t begin, int64_t end) {
  for_block_panels(sizes, buffers, [=](const auto& panel) { panel.tangent_adjoint(begin, end); });
}

/// Interleaves two vectors: a0 b0 a1 b1 ...; the first or the second half of that.
template <class T, int half, int... lane>
UFO_INLINE Vector<T> interleave(Vector<T> a, Vector<T> b, Lanes<lane...>) {
  constexpr int n = kLanes<T>;
  return __builtin_shufflevector(a, b, ((lane % 2 ? n : 0) + (half * n + lane) / 2)...);
}

/// A square of vectors by log2(lanes) rounds of interleaving row x with row x + lanes / 2.
template <class T>
UFO_INLINE void transpose_square(const T* a, int64_t a_stride, T* b, int64_t b_stride) {
  constexpr int n = kLanes<T>;
  using Every = typename MakeLanes<n>::type;
  Vector<T> rows[n], mixed[n];
  for (int i = 0; i < n; ++i) {
    rows[i] = load(a + i * a_stride);
  }
  for (int round = 1; round < n; round *= 2) {
    for (int i = 0; i < n / 2; ++i) {
      mixed[2 * i] = interleave<T, 0>(rows[i], rows[i + n / 2], Every{});
      mixed[2 * i + 1] = interleave<T, 1>(rows[i], rows[i + n / 2], Every{});
    }
    for (int i = 0; i < n; ++i) {
      rows[i] = mixed[i];
    }
  }
  for (int i = 0; i < n; ++i) {
    store(b + i * b_stride, rows[i]);
  }
}

template <class T>
void transpose(const T* a, int64_t rows, int64_t columns, T* b) {
  for (int64_t i = 0; i < rows; i += kLanes<T>) {
    for (int64_t j = 0; j < columns; j += kLanes<T>) {
      transpose_square(a + i * columns + j, columns, b + j * rows + i, rows);
    }
  }
}

template <class T>
T dot(const T* a, const T* b, int64_t n) {
  Vector<T> sums = {};
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    sums += load(a + i) * load(b + i);
  }
  T sum = sum_lanes<T>(sums);
  for (; i < n; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

template <class T>
void add_scaled(T* y, T factor, const T* x, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) {
    store(y + i, load(y + i) + factor * load(x + i));
  }
  for (; i < n; ++i) {
    y[i] += factor * x[i];
  }
}

template <class T>
constexpr Kernels<T> table() {
  return {kLanes<T>,
          kTileRows<kTileVectors>,
          rows_product<T>,
          weights_product<T>,
          points_product<T>,
          points_weights<T>,
          {winograd_transforms<T, 3>(), winograd_transforms<T, 4>(), polyphase_transforms<T>()},
          statistics<T>,
          value<T>,
          adjoint_sums<T>,
          adjoint<T>,
          tangent_sums<T>,
          tangent<T>,
          tangent_adjoint_sums<T>,
          tangent_adjoint<T>,
          patch_products<T>,
          patch_value<T>,
          patch_adjoint<T>,
          patch_tangent<T>,
          transpose<T>,
          dot<T>,
          add_scaled<T>};
}

}  // namespace

extern const Kernels<float> float_kernels = table<float>();
extern const Kernels<double> double_kernels = table<double>();

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
