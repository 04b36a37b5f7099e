#pragma once

#include "convolution_kernels.h"
#include "kernels.h"
#include "vector.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

/// Columns begin, begin + step, ... up to `end` of a padded row.
struct Columns {
  int64_t begin, end, step;
};

/// total[d][channel][lane] += sum of x[c, channel] * (the window at c, d rows further)[lane] over the columns
/// c of both ranges and `count` rows. A window begins kernel - 1 pixels before its column.
template <class T, int distances, int channels, int vectors>
UFO_NOINLINE void window_products_tile(const PatchSizes& p, int64_t count, const T* x, const T* window,
                                       const Columns (&ranges)[2], double* total) {
  Vector<T> sum[distances][channels][vectors] = {};
  const int64_t next = p.stride * p.row;
  for (int64_t row = 0; row < count; ++row, x += next, window += next) {
    for (const Columns& columns : ranges) {
      for (int64_t c = columns.begin; c <= columns.end; c += columns.step) {
        const T *from = x + c * p.channels, *with = window + (c - p.kernel + 1) * p.channels;
        for (int d = 0; d < distances; ++d) {
          for (int v = 0; v < vectors; ++v) {
            const Vector<T> right = load(with + d * p.row + v * kLanes<T>);
            for (int i = 0; i < channels; ++i) {
              sum[d][i][v] += from[i] * right;
            }
          }
        }
      }
    }
  }
  const int64_t window_size = p.window(kLanes<T>), distance = p.distance(kLanes<T>);
  for (int d = 0; d < distances; ++d) {
    for (int i = 0; i < channels; ++i) {
      for (int v = 0; v < vectors; ++v) {
        double* to = total + d * distance + i * window_size + v * kLanes<T>;
        for (int lane = 0; lane < kLanes<T>; ++lane) {
          to[lane] += static_cast<double>(sum[d][i][v][lane]);
        }
      }
    }
  }
}

/// The tiles of one pair of ranges of columns, all channels and `distances` distances.
template <class T>
UFO_INLINE void window_products(const PatchSizes& p, int64_t count, const T* x, int64_t distances,
                                const Columns (&ranges)[2], double* total) {
  const int64_t window = p.window(kLanes<T>), distance = p.distance(kLanes<T>);
  for_panels<T, 2>(window, [&]<int vectors>(int64_t at) {
    const auto tile = [&]<int distances_at_once, int channels>(int64_t d, int64_t channel) UFO_FORCE {
      window_products_tile<T, distances_at_once, channels, vectors>(
          p, count, x + channel, x + d * p.row + at, ranges, total + d * distance + channel * window + at);
    };
    int64_t channel = 0;
    for (; channel + 3 <= p.channels; channel += 3) {
      for (int64_t d = 0; d < distances; ++d) {
        tile.template operator()<1, 3>(d, channel);
      }
    }
    for (; channel < p.channels; ++channel) {
      int64_t d = 0;
      for (; d + 3 <= distances; d += 3) {
        tile.template operator()<3, 1>(d, channel);
      }
      for (; d < distances; ++d) {
        tile.template operator()<1, 1>(d, channel);
      }
    }
  });
}

template <class T>
void patch_products(const PatchSizes& p, int64_t count, int64_t outputs, const T* x, int64_t distances,
                    double* sums, double* products) {
  const int64_t slot = p.channels * p.window(kLanes<T>);
  const int64_t before = p.kernel - 1, last = p.stride * (outputs - 1);
  constexpr Columns kNone{0, -1, 1};
  for (int64_t phase = 0; phase < p.stride; ++phase) {
    const int64_t first = before + (phase - before % p.stride + p.stride) % p.stride;
    window_products<T>(p, count, x, distances, {{first, last, p.stride}, kNone}, products + phase * slot);
  }
  for (int64_t tap = 0; tap < p.kernel; ++tap) {
    const int64_t end = tap + last, inside = (last >= before ? last : before - 1) + 1;
    const int64_t resume = inside + (tap - inside % p.stride + p.kernel * p.stride) % p.stride;
    const Columns left{tap, before - 1 < end ? before - 1 : end, p.stride};
    window_products<T>(p, count, x, distances, {left, {resume, end, p.stride}},
                       products + (p.stride + tap) * slot);
  }
  for (int64_t at = 0; at < p.row_sums(kLanes<T>); at += kLanes<T>) {
    Vector<T> sum = {};
    for (int64_t row = 0; row < count; ++row) {
      for (int64_t c = 0; c < outputs; ++c) {
        sum += load(x + (row * p.row + c * p.channels) * p.stride + at);
      }
    }
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      sums[at + lane] += static_cast<double>(sum[lane]);
    }
  }
}

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
