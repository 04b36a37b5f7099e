#pragma once

#include "convolution_kernels.h"
#include "kernels.h"
#include "vector.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

/// Winograd's minimal filtering F(m, 3) along one axis (Lavin and Gray, arXiv 1509.09308): m outputs of a
/// kernel g of three taps from n = m + 2 inputs d by n multiplications,
///   y = A' ((G g) * (B' d)),
/// with the points 0, 1, -1, 2 (and -2 where m = 4) and infinity. Along both axes, Y = A' ((G g G') * (B' d
/// B)) A.
template <int m>
struct Winograd;

template <>
struct Winograd<3> {
  static constexpr double kFilter[5][3] = {{1. / 2, 0, 0},
                                           {-1. / 2, -1. / 2, -1. / 2},
                                           {-1. / 6, 1. / 6, -1. / 6},
                                           {1. / 6, 1. / 3, 2. / 3},
                                           {0, 0, 1}};

  /// B' d
  template <class V>
  static UFO_INLINE void input(const V (&d)[5], V (&p)[5]) {
    const V odd = d[3] - d[1];
    p[0] = 2 * (d[0] - d[2]) + odd;
    p[1] = odd - d[2] - d[1];
    p[2] = odd + 3 * (d[1] - d[2]);
    p[3] = odd;
    p[4] = d[4] - d[2] - 2 * odd;
  }
  /// A' p
  template <class V>
  static UFO_INLINE void output(const V (&p)[5], V (&y)[3]) {
    const V sum = p[1] + p[2];
    y[0] = p[0] + sum + p[3];
    y[1] = p[1] - p[2] + 2 * p[3];
    y[2] = sum + 4 * p[3] + p[4];
  }
  /// A y
  template <class V>
  static UFO_INLINE void gradient(const V (&y)[3], V (&p)[5]) {
    const V even = y[0] + y[2];
    p[0] = y[0];
    p[1] = even + y[1];
    p[2] = even - y[1];
    p[3] = y[0] + 2 * y[1] + 4 * y[2];
    p[4] = y[2];
  }
};

template <>
struct Winograd<4> {
  static constexpr double kFilter[6][3] = {{1. / 4, 0, 0},
                                           {-1. / 6, -1. / 6, -1. / 6},
                                           {-1. / 6, 1. / 6, -1. / 6},
                                           {1. / 24, 1. / 12, 1. / 6},
                                           {1. / 24, -1. / 12, 1. / 6},
                                           {0, 0, 1}};

  template <class V>
  static UFO_INLINE void input(const V (&d)[6], V (&p)[6]) {
    const V even1 = d[4] - 4 * d[2], odd1 = d[3] - 4 * d[1];
    const V even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);
    p[0] = 4 * d[0] - 5 * d[2] + d[4];
    p[1] = even1 + odd1;
    p[2] = even1 - odd1;
    p[3] = even2 + odd2;
    p[4] = even2 - odd2;
    p[5] = 4 * d[1] - 5 * d[3] + d[5];
  }
  template <class V>
  static UFO_INLINE void output(const V (&p)[6], V (&y)[4]) {
    const V sum1 = p[1] + p[2], difference1 = p[1] - p[2];
    const V sum2 = p[3] + p[4], difference2 = p[3] - p[4];
    y[0] = p[0] + sum1 + sum2;
    y[1] = difference1 + 2 * difference2;
    y[2] = sum1 + 4 * sum2;
    y[3] = difference1 + 8 * difference2 + p[5];
  }
  template <class V>
  static UFO_INLINE void gradient(const V (&y)[4], V (&p)[6]) {
    const V even1 = y[0] + y[2], odd1 = y[1] + y[3];
    const V even2 = y[0] + 4 * y[2], odd2 = 2 * y[1] + 8 * y[3];
    p[0] = y[0];
    p[1] = even1 + odd1;
    p[2] = even1 - odd1;
    p[3] = even2 + odd2;
    p[4] = even2 - odd2;
    p[5] = y[3];
  }
};

/// One vector of channels of the tiles of an image, read from `rows` x `columns` numbers apart by `row` and
/// `column`; beyond them there are zeros.
template <class T>
struct Patch {
  const T* from;
  int64_t row, column;
  int64_t rows, columns;

  /// `size` numbers of column `x`.
  template <int size>
  UFO_INLINE void load_column(int64_t x, Vector<T> (&d)[size]) const {
    if (rows >= size && x < columns) {
      for (int i = 0; i < size; ++i) {
        d[i] = load(from + i * row + x * column);
      }
    } else {
      for (int i = 0; i < size; ++i) {
        d[i] = i < rows && x < columns ? load(from + i * row + x * column) : Vector<T>{};
      }
    }
  }
};

/// From one point's matrix to the next, in numbers.
UFO_INLINE int64_t winograd_point(const Tiles& t) { return t.units * t.columns * t.channels + t.line; }

/// Calls row(image, tile row, vector of channels, where its points begin in `points`) for the rows of tiles
/// [begin, end), counted through all images.
template <class T, class Pointer, class Row>
UFO_INLINE void for_tile_rows(const Tiles& t, int64_t begin, int64_t end, Pointer points, Row&& row) {
  for (int64_t unit = begin; unit < end; ++unit) {
    for (int64_t channel = 0; channel < t.channels; channel += kLanes<T>) {
      row(unit / t.rows, unit % t.rows, channel,
          points + (unit - t.first_unit) * t.columns * t.channels + channel);
    }
  }
}

/// B' d B of every tile; the columns that two tiles share are transformed once.
template <class T, int m>
UFO_NOINLINE void winograd_inputs(const Tiles& t, int64_t begin, int64_t end, const T* x, T* points) {
  constexpr int n = m + 2;
  const int64_t point = winograd_point(t);
  const int64_t height = t.height + 2, width = t.width + 2;
  for_tile_rows<T>(t, begin, end, points, [&](int64_t image, int64_t row, int64_t channel, T* to) UFO_FORCE {
    const Patch<T> patch{x + (image * height + row * m) * width * t.channels + channel, width * t.channels,
                         t.channels, height - row * m, width};
    Vector<T> columns[n][n], d[n], p[n];
    for (int j = 0; j < 2; ++j) {
      patch.load_column(j, d);
      Winograd<m>::input(d, columns[j]);
    }
    for (int64_t tile = 0; tile < t.columns; ++tile, to += t.channels) {
      for (int j = 2; j < n; ++j) {
        patch.load_column(tile * m + j, d);
        Winograd<m>::input(d, columns[j]);
      }
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < n; ++j) {
          d[j] = columns[j][i];
        }
        Winograd<m>::input(d, p);
        for (int j = 0; j < n; ++j) {
          store(to + (i * n + j) * point, p[j]);
        }
      }
      for (int i = 0; i < n; ++i) {
        columns[0][i] = columns[m][i], columns[1][i] = columns[m + 1][i];
      }
    }
  });
}

/// A dy A' of every tile.
template <class T, int m>
UFO_NOINLINE void winograd_gradients(const Tiles& t, int64_t begin, int64_t end, const T* du, T* points) {
  constexpr int n = m + 2;
  const int64_t point = winograd_point(t);
  const int64_t height = t.height + 2, width = t.width + 2;
  for_tile_rows<T>(t, begin, end, points, [&](int64_t image, int64_t row, int64_t channel, T* to) UFO_FORCE {
    const Patch<T> patch{du + ((image * height + row * m + 1) * width + 1) * t.channels + channel,
                         width * t.channels, t.channels, t.height - row * m, t.width};
    for (int64_t tile = 0; tile < t.columns; ++tile, to += t.channels) {
      Vector<T> columns[m][n], y[m], p[n];
      for (int j = 0; j < m; ++j) {
        patch.load_column(tile * m + j, y);
        Winograd<m>::gradient(y, columns[j]);
      }
      for (int i = 0; i < n; ++i) {
        for (int j = 0; j < m; ++j) {
          y[j] = columns[j][i];
        }
        Winograd<m>::gradient(y, p);
        for (int j = 0; j < n; ++j) {
          store(to + (i * n + j) * point, p[j]);
        }
      }
    }
  });
}

/// A' p A of every tile.
template <class T, int m>
UFO_NOINLINE void winograd_outputs(const Tiles& t, int64_t begin, int64_t end, const T* points, T* u) {
  constexpr int n = m + 2;
  const int64_t point = winograd_point(t);
  for_tile_rows<T>(
      t, begin, end, points, [&](int64_t image, int64_t row, int64_t channel, const T* from) UFO_FORCE {
        T* to = u + (image * t.height + row * m) * t.width * t.channels + channel;
        const int64_t rows = t.height - row * m;
        for (int64_t tile = 0; tile < t.columns; ++tile, from += t.channels, to += m * t.channels) {
          Vector<T> columns[n][m], p[n], y[m];
          for (int j = 0; j < n; ++j) {
            for (int i = 0; i < n; ++i) {
              p[i] = load(from + (i * n + j) * point);
            }
            Winograd<m>::output(p, columns[j]);
          }
          const int64_t inside = t.width - tile * m;
          for (int i = 0; i < m && i < rows; ++i) {
            for (int j = 0; j < n; ++j) {
              p[j] = columns[j][i];
            }
            Winograd<m>::output(p, y);
            for (int j = 0; j < m; ++j) {
              if (j < inside) {
                store(to + (i * t.width + j) * t.channels, y[j]);
              }
            }
          }
        }
      });
}

/// G g G' of every pair of channels: w [3, 3, numbers] to points [n, n, numbers].
template <class T, int m>
void winograd_filter(const T* w, int64_t numbers, int64_t point, T* points) {
  constexpr int n = m + 2;
  constexpr auto& g = Winograd<m>::kFilter;
  for (int64_t at = 0; at < numbers; at += kLanes<T>) {
    Vector<T> columns[3][n];
    for (int j = 0; j < 3; ++j) {
      const Vector<T> a = load(w + j * numbers + at), b = load(w + (3 + j) * numbers + at),
                      c = load(w + (6 + j) * numbers + at);
      for (int i = 0; i < n; ++i) {
        columns[j][i] = T(g[i][0]) * a + T(g[i][1]) * b + T(g[i][2]) * c;
      }
    }
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        store(points + (i * n + j) * point + at,
              T(g[j][0]) * columns[0][i] + T(g[j][1]) * columns[1][i] + T(g[j][2]) * columns[2][i]);
      }
    }
  }
}

/// Its adjoint, G' p G.
template <class T, int m>
void winograd_filter_gradient(const T* points, int64_t numbers, int64_t point, T* dw) {
  constexpr int n = m + 2;
  constexpr auto& g = Winograd<m>::kFilter;
  for (int64_t at = 0; at < numbers; at += kLanes<T>) {
    Vector<T> columns[n][3] = {};
    for (int j = 0; j < n; ++j) {
      for (int i = 0; i < n; ++i) {
        const Vector<T> p = load(points + (i * n + j) * point + at);
        for (int k = 0; k < 3; ++k) {
          columns[j][k] += T(g[i][k]) * p;
        }
      }
    }
    for (int k = 0; k < 3; ++k) {
      for (int l = 0; l < 3; ++l) {
        Vector<T> sum = {};
        for (int j = 0; j < n; ++j) {
          sum += T(g[j][l]) * columns[j][k];
        }
        store(dw + (k * 3 + l) * numbers + at, sum);
      }
    }
  }
}

/// The gradient by the inputs is a convolution like the value, with flipped weights.
template <class T, int m>
constexpr TileTransforms<T> winograd_transforms() {
  constexpr TransformPair<T> pair{winograd_inputs<T, m>, winograd_outputs<T, m>};
  return {pair, pair, winograd_gradients<T, m>, winograd_filter<T, m>, winograd_filter_gradient<T, m>};
}

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
