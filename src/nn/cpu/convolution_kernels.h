#pragma once

#include "kernels.h"
#include "vector.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

#define UFO_INLINE inline __attribute__((always_inline))
#define UFO_FORCE __attribute__((always_inline))
#define UFO_NOINLINE __attribute__((noinline, noclone))

/// How many rows of the result a tile holds in registers when it is `vectors` vectors wide: all registers but
/// those of one row of B and a few for the broadcasts, and no more rows than there are registers for their
/// addresses.
template <int vectors>
inline constexpr int kTileRows = kRegisters == 32 ? (vectors >= 4   ? 6
                                                     : vectors == 3 ? 8
                                                                    : 10)
                                                  : (vectors >= 3   ? 3
                                                     : vectors == 2 ? 6
                                                                    : 8);

/// The widest tile, in vectors.
inline constexpr int kTileVectors = kRegisters == 32 ? 4 : 2;

/// `rows` rows and `vectors` vectors of a RowsProduct: the accumulators stay in registers from the first
/// segment to the last, each number of A is broadcast once and each vector of B loaded once for all rows.
template <class T, int rows, int vectors>
UFO_INLINE void rows_tile(const RowsProduct& p, int64_t first, const T* a, const T* b, T* c,
                          bool accumulate) {
  Vector<T> sum[rows][vectors];
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < vectors; ++v) {
      sum[i][v] = accumulate ? load(c + p.c[first + i] + v * kLanes<T>) : Vector<T>{};
    }
  }
  for (int64_t s = 0; s < p.segments; ++s) {
    const T* from[rows];
    for (int i = 0; i < rows; ++i) {
      from[i] = a + p.a[first + i] + p.a_segment[s];
    }
    const T* with = b + p.b_segment[s] * p.columns;
    for (int64_t j = 0; j < p.length; ++j, with += p.columns) {
      Vector<T> right[vectors];
      for (int v = 0; v < vectors; ++v) {
        right[v] = load(with + v * kLanes<T>);
      }
      for (int i = 0; i < rows; ++i) {
        const T left = from[i][j];
        for (int v = 0; v < vectors; ++v) {
          sum[i][v] += left * right[v];
        }
      }
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < vectors; ++v) {
      store(c + p.c[first + i] + v * kLanes<T>, sum[i][v]);
    }
  }
}

/// Calls tile<rows>() with rows = count, which is at most `most`; nothing for 0.
template <int most, class Tile>
UFO_INLINE void call_with_rows(int64_t count, Tile&& tile) {
  if constexpr (most > 0) {
    if (count == most) {
      tile.template operator()<most>();
    } else {
      call_with_rows<most - 1>(count, tile);
    }
  }
}

// Kept out of line: inlined into their callers these loops lose registers to them.
template <class T, int vectors>
UFO_NOINLINE void rows_panel(const RowsProduct& p, int64_t begin, int64_t end, const T* a, const T* b, T* c,
                             bool accumulate) {
  constexpr int rows = kTileRows<vectors>;
  int64_t i = begin;
  for (; i + rows <= end; i += rows) {
    rows_tile<T, rows, vectors>(p, i, a, b, c, accumulate);
  }
  call_with_rows<rows - 1>(
      end - i, [&]<int rest>() UFO_FORCE { rows_tile<T, rest, vectors>(p, i, a, b, c, accumulate); });
}

/// Calls panel<vectors>(first column) for panels that cover `columns`, the widest first.
template <class T, int vectors = kTileVectors, class Panel>
UFO_INLINE void for_panels(int64_t columns, Panel&& panel, int64_t column = 0) {
  constexpr int64_t width = vectors * kLanes<T>;
  for (; column + width <= columns; column += width) {
    panel.template operator()<vectors>(column);
  }
  if constexpr (vectors > 1) {
    for_panels<T, vectors - 1>(columns, panel, column);
  }
}

template <class T>
void rows_product(const RowsProduct& p, int64_t begin, int64_t end, const T* a, const T* b, T* c,
                  bool accumulate) {
  for_panels<T>(p.columns, [&]<int vectors>(int64_t column) {
    rows_panel<T, vectors>(p, begin, end, a, b + column, c + column, accumulate);
  });
}

/// `rows` rows and `vectors` vectors of a WeightsProduct over the pixels [begin, end), whose
/// sum is added as a whole: so rounding errors grow with the number of blocks, not of pixels.
template <class T, int rows, int vectors>
UFO_INLINE void weights_tile(const WeightsProduct& p, int64_t first, int64_t begin, int64_t end, const T* a,
                             const T* b, T* c, bool accumulate) {
  Vector<T> sum[rows][vectors];
  const T* from[rows];
  for (int i = 0; i < rows; ++i) {
    from[i] = a + p.row[first + i];
    for (int v = 0; v < vectors; ++v) {
      sum[i][v] = Vector<T>{};
    }
  }
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    const T* with = b + p.b[pixel];
    const int64_t offset = p.a[pixel];
    Vector<T> right[vectors];
    for (int v = 0; v < vectors; ++v) {
      right[v] = load(with + v * kLanes<T>);
    }
    for (int i = 0; i < rows; ++i) {
      const T left = from[i][offset];
      for (int v = 0; v < vectors; ++v) {
        sum[i][v] += left * right[v];
      }
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int v = 0; v < vectors; ++v) {
      T* to = c + (first + i) * p.columns + v * kLanes<T>;
      store(to, accumulate ? load(to) + sum[i][v] : sum[i][v]);
    }
  }
}

/// Pixels that one sweep over the weights takes, so that their rows of A and B stay in the first-level cache.
inline constexpr int64_t kPixelBlock = 256;

template <class T, int vectors>
UFO_NOINLINE void weights_panel(const WeightsProduct& p, int64_t pixels, const T* a, const T* b, T* c,
                                bool accumulate) {
  constexpr int rows = kTileRows<vectors>;
  for (int64_t begin = 0; begin < pixels; begin += kPixelBlock) {
    const int64_t end = begin + kPixelBlock < pixels ? begin + kPixelBlock : pixels;
    const bool add = accumulate || begin > 0;
    int64_t i = 0;
    for (; i + rows <= p.rows; i += rows) {
      weights_tile<T, rows, vectors>(p, i, begin, end, a, b, c, add);
    }
    call_with_rows<rows - 1>(p.rows - i, [&]<int rest>() UFO_FORCE {
      weights_tile<T, rest, vectors>(p, i, begin, end, a, b, c, add);
    });
  }
}

template <class T>
void weights_product(const WeightsProduct& p, int64_t pixels, const T* a, const T* b, T* c, bool accumulate) {
  for_panels<T>(p.columns, [&]<int vectors>(int64_t column) {
    weights_panel<T, vectors>(p, pixels, a, b + column, c + column, accumulate);
  });
}

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
