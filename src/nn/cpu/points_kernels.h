#pragma once

#include "convolution_kernels.h"
#include "kernels.h"
#include "vector.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

/// Rows of a tile of a PointsProduct that is `vectors` vectors wide: its rows lie at one distance, so that no
/// registers go to their addresses.
template <int vectors>
inline constexpr int kPointRows = kRegisters == 32 ? (vectors >= 4   ? 6
                                                      : vectors == 3 ? 8
                                                                     : 12)
                                                   : (vectors >= 2 ? 6 : 8);

/// C = A B + A2 B2 for `rows` rows and `vectors` vectors of columns; `second` says whether there are A2 and
/// B2.
template <class T, int rows, int vectors, bool second>
UFO_INLINE void points_tile(const PointsProduct& p, const T* a, const T* b, const T* a2, const T* b2, T* c) {
  Vector<T> sum[rows][vectors] = {};
  for (int pair = 0; pair < (second ? 2 : 1); ++pair) {
    const T *left = pair ? a2 : a, *with = pair ? b2 : b;
    for (int64_t k = 0; k < p.depth; ++k, with += p.columns) {
      Vector<T> right[vectors];
      for (int v = 0; v < vectors; ++v) {
        right[v] = load(with + v * kLanes<T>);
      }
      for (int i = 0; i < rows; ++i) {
        for (int v = 0; v < vectors; ++v) {
          sum[i][v] += left[i * p.depth + k] * right[v];
        }
      }
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < vectors; ++v) {
      store(c + i * p.columns + v * kLanes<T>, sum[i][v]);
    }
  }
}

/// Calls tile<rows>(first row) for tiles of nearly equal height, at most `most` rows each, that cover `count`
/// rows: 23 rows are 12 and 11, not 12, 8 and 3.
template <int most, class Tile>
UFO_INLINE void for_even_tiles(int64_t count, Tile&& tile) {
  const int64_t tiles = (count + most - 1) / most;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t begin = count * i / tiles, end = count * (i + 1) / tiles;
    call_with_rows<most>(end - begin, [&]<int rows>() UFO_FORCE { tile.template operator()<rows>(begin); });
  }
}

template <class T, int vectors, bool second>
UFO_NOINLINE void points_panel(const PointsProduct& p, const T* a, const T* b, const T* a2, const T* b2,
                               T* c) {
  for_even_tiles<kPointRows<vectors>>(p.rows, [&]<int rows>(int64_t i) UFO_FORCE {
    points_tile<T, rows, vectors, second>(p, a + i * p.depth, b, second ? a2 + i * p.depth : nullptr, b2,
                                          c + i * p.columns);
  });
}

template <class T>
void points_product(const PointsProduct& p, const T* a, const T* b, const T* a2, const T* b2, T* c) {
  for_panels<T>(p.columns, [&]<int vectors>(int64_t column) {
    if (a2 == nullptr) {
      points_panel<T, vectors, false>(p, a, b + column, nullptr, nullptr, c + column);
    } else {
      points_panel<T, vectors, true>(p, a, b + column, a2, b2 + column, c + column);
    }
  });
}

/// B (+)= A' C for `rows` rows of B from `first` on and `vectors` vectors of columns.
template <class T, int rows, int vectors>
UFO_INLINE void points_weights_tile(const PointsProduct& p, const T* a, const T* c, T* b, bool accumulate) {
  Vector<T> sum[rows][vectors] = {};
  for (int64_t k = 0; k < p.rows; ++k, a += p.depth, c += p.columns) {
    Vector<T> right[vectors];
    for (int v = 0; v < vectors; ++v) {
      right[v] = load(c + v * kLanes<T>);
    }
    for (int i = 0; i < rows; ++i) {
      for (int v = 0; v < vectors; ++v) {
        sum[i][v] += a[i] * right[v];
      }
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < vectors; ++v) {
      T* to = b + i * p.columns + v * kLanes<T>;
      store(to, accumulate ? load(to) + sum[i][v] : sum[i][v]);
    }
  }
}

template <class T, int vectors>
UFO_NOINLINE void points_weights_panel(const PointsProduct& p, const T* a, const T* c, T* b,
                                       bool accumulate) {
  for_even_tiles<kPointRows<vectors>>(p.depth, [&]<int rows>(int64_t i) UFO_FORCE {
    points_weights_tile<T, rows, vectors>(p, a + i, c, b + i * p.columns, accumulate);
  });
}

template <class T>
void points_weights(const PointsProduct& p, const T* a, const T* c, T* b, bool accumulate) {
  for_panels<T>(p.columns, [&]<int vectors>(int64_t column) {
    points_weights_panel<T, vectors>(p, a, c + column, b + column, accumulate);
  });
}

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
