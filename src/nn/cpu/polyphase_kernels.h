#pragma once

#include "convolution_kernels.h"
#include "kernels.h"
#include "vector.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

/// A kernel w of three taps at stride 2, along one axis. The even pixels e[i] = x[2i] and the odd ones
/// d[i] = x[2i + 1] are convolved apart:
///   y[i] = w1 e[i] + (w2 d[i] + w0 d[i - 1]).
/// The even pixels are a multiplication each. The odd ones are multiplied as polynomials (Toom and Cook):
/// D(z) = d[0] + d[1] z + d[2] z^2 with w2 + w0 z at the points 0, 1, -1 and infinity, four multiplications
/// for six,
///   m0 = D(0) w2,  m1 = D(1) (w2 + w0) / 2,  m2 = D(-1) (w2 - w0) / 2,  m3 = d[2] w0,
///   y[0] = m0,  y[1] = m1 - m2 - m3,  y[2] = m1 + m2 - m0,  y[3] = m3,
/// and y[3] adds to y[0] of the next tile. The last tile of an axis has fewer pixels, and those points that
/// are left when the others are zero or serve outputs beyond the edge. Points lie in the order e, m.
template <int pixels>
struct PolyphaseTile {
  static constexpr int evens = (pixels + 1) / 2;
  static constexpr int odds = kOddPoints[pixels];
  static constexpr int points = evens + odds;

  static constexpr int kind(int point) { return point < evens ? 0 : 1 + point - evens; }
};

/// The pixels x of a tile.
template <int pixels>
struct PolyphaseInputs : PolyphaseTile<pixels> {
  using Tile = PolyphaseTile<pixels>;
  static constexpr int size = pixels;
  static constexpr int step = kPolyphaseTile;  ///< from one tile to the next

  /// B' x
  template <class V>
  static UFO_INLINE void to_points(const V (&x)[size], V (&p)[Tile::points]) {
    for (int i = 0; i < Tile::evens; ++i) {
      p[i] = x[2 * i];
    }
    V* m = p + Tile::evens;
    if constexpr (pixels >= 2) {
      m[0] = x[1];
    }
    if constexpr (pixels == 3) {
      m[1] = x[1], m[2] = x[1];
    } else if constexpr (pixels > 3) {
      V even = x[1];
      if constexpr (pixels == 6) {
        even += x[5];
        m[3] = x[5];
      }
      m[1] = even + x[3], m[2] = even - x[3];
    }
  }
  /// B p
  template <class V>
  static UFO_INLINE void from_points(const V (&p)[Tile::points], V (&x)[size]) {
    for (int i = 0; i < Tile::evens; ++i) {
      x[2 * i] = p[i];
    }
    const V* m = p + Tile::evens;
    if constexpr (pixels == 2) {
      x[1] = m[0];
    } else if constexpr (pixels > 2) {
      const V sum = m[1] + m[2];
      x[1] = m[0] + sum;
      if constexpr (pixels > 3) {
        x[3] = m[1] - m[2];
      }
      if constexpr (pixels == 6) {
        x[5] = m[3] + sum;
      }
    }
  }
};

/// Its outputs y.
template <int pixels>
struct PolyphaseOutputs : PolyphaseTile<pixels> {
  using Tile = PolyphaseTile<pixels>;
  static constexpr int size = pixels == 6 ? 4 : Tile::evens;
  static constexpr int step = kPolyphaseTile / 2;

  /// A y
  template <class V>
  static UFO_INLINE void to_points(const V (&y)[size], V (&p)[Tile::points]) {
    for (int i = 0; i < Tile::evens; ++i) {
      p[i] = y[i];
    }
    V* m = p + Tile::evens;
    if constexpr (Tile::evens == 3) {
      m[0] = y[0] - y[2], m[1] = y[2] + y[1], m[2] = y[2] - y[1];
    } else if constexpr (Tile::evens == 2) {
      m[0] = y[0], m[1] = y[1], m[2] = -y[1];
    } else if constexpr (pixels == 2) {
      m[0] = y[0];
    }
    if constexpr (pixels == 6) {
      m[3] = y[3] - y[1];
    }
  }
  /// A' p
  template <class V>
  static UFO_INLINE void from_points(const V (&p)[Tile::points], V (&y)[size]) {
    for (int i = 0; i < Tile::evens; ++i) {
      y[i] = p[i];
    }
    const V* m = p + Tile::evens;
    if constexpr (pixels >= 2) {
      y[0] += m[0];
    }
    if constexpr (Tile::evens >= 2) {
      y[1] += m[1] - m[2];
    }
    if constexpr (Tile::evens == 3) {
      y[2] += m[1] + m[2] - m[0];
    }
    if constexpr (pixels == 6) {
      y[1] -= m[3];
      y[3] = m[3];
    }
  }
};

/// Where a tile's points at a channel lie among those of its row of tiles.
struct TileChannel {
  int64_t channels;
  int64_t even, odd;

  UFO_INLINE TileChannel(int64_t tile, int64_t channel, int64_t channels_)
      : channels(channels_),
        even(kPolyphaseTile / 2 * tile * channels + channel),
        odd(tile * channels + channel) {}
};

/// The points of a row of tiles of one image, `count` down the tiles: those at point `i` down and of each
/// kind across are neighbours.
template <class Pointer>
struct PointRows {
  int64_t count;
  Pointer at[PolyphaseTile<kPolyphaseTile>::points][kPolyphaseKinds];

  /// Point (i, j) of a tile that is `pixels` wide, at a channel.
  template <int pixels>
  UFO_INLINE Pointer point(int64_t i, int j, const TileChannel& tile) const {
    const int kind = PolyphaseTile<pixels>::kind(j);
    return at[i][kind] + (kind == 0 ? tile.even + j * tile.channels : tile.odd);
  }
};

/// Pixels of a tile along an axis of `size`.
UFO_INLINE int64_t polyphase_pixels(int64_t size, int64_t tile) {
  const int64_t left = size - tile * kPolyphaseTile;
  return left < kPolyphaseTile ? left : kPolyphaseTile;
}

/// Calls row(image, row of tiles, pixels of its height, its points) for the images [begin, end).
template <class Pointer, class Row>
UFO_INLINE void for_polyphase_rows(const Tiles& t, int64_t begin, int64_t end, Pointer points, Row&& row) {
  const auto rows = [&](int64_t matrix) UFO_FORCE { return t.first_row[matrix + 1] - t.first_row[matrix]; };
  const int64_t even_rows = (t.height + 1) / 2;
  for (int64_t image = begin; image < end; ++image) {
    for (int64_t tile = 0; tile < t.rows; ++tile) {
      const int64_t pixels = polyphase_pixels(t.height, tile), evens = (pixels + 1) / 2;
      PointRows<Pointer> to;
      to.count = evens + kOddPoints[pixels];
      for (int64_t i = 0; i < to.count; ++i) {
        const int64_t kind = i < evens ? 0 : 1 + i - evens;
        const int64_t down = kind == 0 ? kPolyphaseTile / 2 * tile + i : tile;
        for (int64_t across = 0; across < kPolyphaseKinds; ++across) {
          const int64_t matrix = kind * kPolyphaseKinds + across, width = rows(across) / even_rows;
          const int64_t first =
              t.first_row[matrix] * t.units + (image - t.first_unit) * rows(matrix) + down * width;
          to.at[i][across] = points + first * t.channels + matrix * t.line;
        }
      }
      row(image, tile, pixels, to);
    }
  }
}

/// How many places of an axis, pixels or outputs, belong to so many pixels.
template <class Axis>
UFO_INLINE int64_t places(int64_t pixels) {
  return (pixels * Axis::step + kPolyphaseTile - 1) / kPolyphaseTile;
}

/// Points of images with a border: B' x B of the inputs, A du A' of the outputs' gradients.
template <class T, template <int> class Axis>
UFO_NOINLINE void polyphase_points(const Tiles& t, int64_t begin, int64_t end, const T* images, T* points) {
  using Whole = Axis<kPolyphaseTile>;
  const int64_t channels = t.channels, columns = t.columns, width = t.width;
  const int64_t height = places<Whole>(t.height) + 2, row = (places<Whole>(width) + 2) * channels;
  Vector<T> lines[Whole::points][Whole::size] = {};
  const auto transform = [&](int64_t image, int64_t tile_row, int64_t high,
                             const PointRows<T*>& to) UFO_FORCE {
    const T* from = images + (image * height + tile_row * Whole::step + 1) * row + channels;
    const int64_t count = to.count;
    for (int64_t tile = 0; tile < columns; ++tile) {
      const int64_t wide = polyphase_pixels(width, tile);
      const int64_t across = wide == kPolyphaseTile ? Whole::size : places<Whole>(wide);
      for (int64_t channel = 0; channel < channels; channel += kLanes<T>) {
        const T* corner = from + tile * Whole::step * channels + channel;
        const TileChannel at(tile, channel, channels);
        call_with_rows<kPolyphaseTile>(high, [&]<int pixels>() UFO_FORCE {
          for (int64_t x = 0; x < across; ++x) {
            Vector<T> d[Axis<pixels>::size], p[Axis<pixels>::points];
            for (int i = 0; i < Axis<pixels>::size; ++i) {
              d[i] = load(corner + i * row + x * channels);
            }
            Axis<pixels>::to_points(d, p);
            for (int i = 0; i < Axis<pixels>::points; ++i) {
              lines[i][x] = p[i];
            }
          }
        });
        call_with_rows<kPolyphaseTile>(wide, [&]<int pixels>() UFO_FORCE {
          for (int64_t i = 0; i < count; ++i) {
            Vector<T> d[Axis<pixels>::size], p[Axis<pixels>::points];
            for (int x = 0; x < Axis<pixels>::size; ++x) {
              d[x] = lines[i][x];
            }
            Axis<pixels>::to_points(d, p);
            for (int j = 0; j < Axis<pixels>::points; ++j) {
              store(to.template point<pixels>(i, j, at), p[j]);
            }
          }
        });
      }
    }
  };
  for_polyphase_rows(t, begin, end, points, transform);
}

/// Images without a border from their points: A' p A to the outputs, B p B' to the inputs' gradients. Outputs
/// that two tiles share, in the first row and column of the later one, are added up in the image.
template <class T, template <int> class Axis>
UFO_NOINLINE void polyphase_images(const Tiles& t, int64_t begin, int64_t end, const T* points, T* images) {
  using Whole = Axis<kPolyphaseTile>;
  constexpr bool shared = Whole::size > Whole::step;
  const int64_t channels = t.channels, columns = t.columns, pixels_across = t.width;
  const int64_t height = places<Whole>(t.height), width = places<Whole>(t.width), row = width * channels;
  Vector<T> lines[Whole::points][Whole::size] = {};
  const auto transform = [&](int64_t image, int64_t tile_row, int64_t high,
                             const PointRows<const T*>& from) UFO_FORCE {
    T* to = images + (image * height + tile_row * Whole::step) * row;
    const int64_t below = height - tile_row * Whole::step, count = from.count;
    for (int64_t tile = 0; tile < columns; ++tile) {
      const int64_t wide = polyphase_pixels(pixels_across, tile), right = width - tile * Whole::step;
      const int64_t across = right < Whole::size ? right : Whole::size;
      for (int64_t channel = 0; channel < channels; channel += kLanes<T>) {
        T* corner = to + tile * Whole::step * channels + channel;
        const TileChannel at(tile, channel, channels);
        call_with_rows<kPolyphaseTile>(wide, [&]<int pixels>() UFO_FORCE {
          for (int64_t i = 0; i < count; ++i) {
            Vector<T> p[Axis<pixels>::points], y[Axis<pixels>::size];
            for (int j = 0; j < Axis<pixels>::points; ++j) {
              p[j] = load(from.template point<pixels>(i, j, at));
            }
            Axis<pixels>::from_points(p, y);
            for (int x = 0; x < Axis<pixels>::size; ++x) {
              lines[i][x] = y[x];
            }
          }
        });
        call_with_rows<kPolyphaseTile>(high, [&]<int pixels>() UFO_FORCE {
          for (int64_t x = 0; x < across; ++x) {
            Vector<T> p[Axis<pixels>::points], y[Axis<pixels>::size];
            for (int i = 0; i < Axis<pixels>::points; ++i) {
              p[i] = lines[i][x];
            }
            Axis<pixels>::from_points(p, y);
            const bool column_shared = shared && x == 0 && tile > 0;
            for (int i = 0; i < Axis<pixels>::size && i < below; ++i) {
              T* pixel = corner + i * row + x * channels;
              const bool add = column_shared || (shared && i == 0 && tile_row > 0);
              store(pixel, add ? load(pixel) + y[i] : y[i]);
            }
          }
        });
      }
    }
  };
  for_polyphase_rows(t, begin, end, points, transform);
}

/// The filter of each kind, and the adjoint of that.
template <class V>
UFO_INLINE void polyphase_kinds(const V (&w)[3], V (&kind)[kPolyphaseKinds]) {
  const V first = w[0] / 2, last = w[2] / 2;
  kind[0] = w[1], kind[1] = w[2], kind[2] = last + first, kind[3] = last - first, kind[4] = w[0];
}
template <class V>
UFO_INLINE void polyphase_taps(const V (&kind)[kPolyphaseKinds], V (&w)[3]) {
  w[0] = kind[4] + (kind[2] - kind[3]) / 2;
  w[1] = kind[0];
  w[2] = kind[1] + (kind[2] + kind[3]) / 2;
}

/// Weights [3, 3, numbers] to matrices [5, 5, numbers], but for the nine that are taps themselves.
template <class T>
void polyphase_filter(const T* w, int64_t numbers, int64_t matrix, T* matrices) {
  for (int64_t at = 0; at < numbers; at += kLanes<T>) {
    Vector<T> columns[3][kPolyphaseKinds], taps[3], kinds[kPolyphaseKinds];
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 3; ++i) {
        taps[i] = load(w + (i * 3 + j) * numbers + at);
      }
      polyphase_kinds(taps, columns[j]);
    }
    for (int i = 0; i < kPolyphaseKinds; ++i) {
      for (int j = 0; j < 3; ++j) {
        taps[j] = columns[j][i];
      }
      polyphase_kinds(taps, kinds);
      for (int j = 0; j < kPolyphaseKinds; ++j) {
        if (kPolyphaseTap[i] < 0 || kPolyphaseTap[j] < 0) {
          store(matrices + (i * kPolyphaseKinds + j) * matrix + at, kinds[j]);
        }
      }
    }
  }
}

/// Its adjoint.
template <class T>
void polyphase_filter_gradient(const T* matrices, int64_t numbers, int64_t matrix, T* dw) {
  for (int64_t at = 0; at < numbers; at += kLanes<T>) {
    Vector<T> rows[kPolyphaseKinds][3], kinds[kPolyphaseKinds], taps[3];
    for (int i = 0; i < kPolyphaseKinds; ++i) {
      for (int j = 0; j < kPolyphaseKinds; ++j) {
        kinds[j] = load(matrices + (i * kPolyphaseKinds + j) * matrix + at);
      }
      polyphase_taps(kinds, rows[i]);
    }
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < kPolyphaseKinds; ++i) {
        kinds[i] = rows[i][j];
      }
      polyphase_taps(kinds, taps);
      for (int i = 0; i < 3; ++i) {
        store(dw + (i * 3 + j) * numbers + at, taps[i]);
      }
    }
  }
}

/// The gradient by the inputs is the adjoint of the value, so that it multiplies by the same kinds.
template <class T>
constexpr TileTransforms<T> polyphase_transforms() {
  return {{polyphase_points<T, PolyphaseInputs>, polyphase_images<T, PolyphaseOutputs>},
          {polyphase_points<T, PolyphaseOutputs>, polyphase_images<T, PolyphaseInputs>},
          polyphase_points<T, PolyphaseOutputs>,
          polyphase_filter<T>,
          polyphase_filter_gradient<T>};
}

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
