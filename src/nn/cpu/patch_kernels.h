#pragma once

#include "convolution_kernels.h"
#include "kernels.h"
#include "points_kernels.h"
#include "vector.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

/// The passes of the first block in closed form over the images [begin, end), all channels. An output sees
/// one pixel of the convolution, or the four of its window.
template <class T, bool pooled, bool leaky>
class PatchPasses {
  using V = Vector<T>;
  using M = Mask<T>;
  static constexpr int kWidth = kLanes<T>;
  static constexpr int kSide = pooled ? 2 : 1;
  static constexpr int kPixels = kSide * kSide;

 public:
  PatchPasses(const PatchSizes& patches, const BlockSizes& sizes, const PatchBuffers<T>& buffers)
      : p_(patches), n_(sizes), b_(buffers) {}

  void value(int64_t begin, int64_t end) const {
    for_panels<T, kVectors>(n_.channels,
                            [&]<int vectors>(int64_t column) { value_panel<vectors>(begin, end, column); });
  }

  void tangent(int64_t begin, int64_t end) const {
    for_panels<T, kVectors>(n_.channels,
                            [&]<int vectors>(int64_t column) { tangent_panel<vectors>(begin, end, column); });
  }

  void adjoint(int64_t begin, int64_t end) const {
    for_panels<T, kVectors>(n_.channels, [&]<int vectors>(int64_t column) {
      for (int64_t image = begin; image < end; ++image) {
        adjoint_panel<vectors>(image, column);
      }
    });
  }

 private:
  static constexpr int kVectors = 2;  ///< of a panel
  static constexpr int kSums = kRegisters == 32 ? 24 : 12;
  /// Pixels whose dz stay in the first-level cache.
  static constexpr int64_t kPixelsAtOnce = 128;

  template <int vectors>
  static constexpr int outputs_at_once() {
    constexpr int outputs = kSums / (kPixels * vectors);
    return outputs < 8 ? outputs : 8;
  }

  int64_t padded_out(int64_t image, int64_t row) const {
    const int64_t width = n_.out_width + 2 * n_.out_padding, height = n_.out_height + 2 * n_.out_padding;
    return ((image * height + row + n_.out_padding) * width + n_.out_padding) * n_.channels;
  }
  int64_t out(int64_t image, int64_t row) const {
    return (image * n_.out_height + row) * n_.out_width * n_.channels;
  }
  /// The first patch of a row of outputs, and from there that of pixel `pixel` of output `column`.
  const T* patch(int64_t image, int64_t row) const {
    return b_.x + image * p_.image + row * kSide * p_.stride * p_.row;
  }
  int64_t pixel(int64_t column, int pixel) const {
    return (pixel / kSide * p_.row + (column * kSide + pixel % kSide) * p_.channels) * p_.stride;
  }

  /// x where y > 0, s x where not.
  UFO_INLINE V rectified(V y, V x) const {
    return y > V{} ? x : leaky ? x * static_cast<T>(n_.negative_slope) : V{};
  }

  /// Calls done(z of the output's pixels, v, its place in a padded buffer, in a compact one), z = x filters +
  /// bias, for every output and v-th vector of the panel at `column`.
  template <int vectors, class Done>
  UFO_INLINE void convolve(int64_t begin, int64_t end, int64_t column, Done&& done) const {
    const T *filters = b_.filters + column, *bias = b_.bias + column;
    const int64_t numbers = p_.numbers(), f = n_.channels;
    for (int64_t image = begin; image < end; ++image) {
      for (int64_t row = 0; row < n_.out_height; ++row) {
        const T* x = patch(image, row);
        const int64_t y = padded_out(image, row) + column, out_row = out(image, row) + column;
        for_even_tiles<outputs_at_once<vectors>()>(n_.out_width, [&]<int outputs>(int64_t first) UFO_FORCE {
          V z[outputs * kPixels][vectors];
          const T* from[outputs * kPixels];
          for (int i = 0; i < outputs * kPixels; ++i) {
            from[i] = x + pixel(first + i / kPixels, i % kPixels);
            for (int v = 0; v < vectors; ++v) {
              z[i][v] = load(bias + v * kWidth);
            }
          }
          const T* with = filters;
          for (int64_t k = 0; k < numbers; ++k, with += f) {
            const int64_t offset = p_.offset[k];
            V right[vectors];
            for (int v = 0; v < vectors; ++v) {
              right[v] = load(with + v * kWidth);
            }
            for (int i = 0; i < outputs * kPixels; ++i) {
              const T left = from[i][offset];
              for (int v = 0; v < vectors; ++v) {
                z[i][v] += left * right[v];
              }
            }
          }
          for (int i = 0; i < outputs; ++i) {
            for (int v = 0; v < vectors; ++v) {
              const int64_t at = (first + i) * f + v * kWidth;
              V pixels[kPixels];
              for (int k = 0; k < kPixels; ++k) {
                pixels[k] = z[i * kPixels + k][v];
              }
              done(pixels, y + at, out_row + at);
            }
          }
        });
      }
    }
  }

  template <int vectors>
  UFO_NOINLINE void value_panel(int64_t begin, int64_t end, int64_t column) const {
    convolve<vectors>(begin, end, column,
                      [&](const V(&z)[kPixels], int64_t y, [[maybe_unused]] int64_t out) UFO_FORCE {
                        V best = leaky ? z[0] : V{};
                        M winner = leaky ? M{} : M{} + 4;
                        for (int k = leaky ? 1 : 0; k < kPixels; ++k) {
                          const M better = z[k] > best;
                          best = better ? z[k] : best;
                          winner = better ? M{} + k : winner;
                        }
                        store(b_.y + y, leaky ? rectified(best, best) : best);
                        if constexpr (pooled) {
                          store_bytes<T>(b_.winner + out, winner);
                        }
                      });
  }

  template <int vectors>
  UFO_NOINLINE void tangent_panel(int64_t begin, int64_t end, int64_t column) const {
    convolve<vectors>(begin, end, column,
                      [&](const V(&z_t)[kPixels], int64_t y, [[maybe_unused]] int64_t out) UFO_FORCE {
                        V y_t = z_t[0];
                        if constexpr (pooled) {
                          const M winner = load_bytes<T>(b_.winner + out);
                          y_t = V{};
                          for (int k = 0; k < kPixels; ++k) {
                            y_t = winner == k ? z_t[k] : y_t;
                          }
                        }
                        if constexpr (leaky || !pooled) {
                          y_t = rectified(load(b_.y + y), y_t);
                        }
                        store(b_.y_t + y, y_t);
                      });
  }

  /// dz of an output's pixels.
  UFO_INLINE void before_pooling(int64_t y, int64_t out, V (&dz)[kPixels]) const {
    V passing = load(b_.dy + out);
    if constexpr (leaky || !pooled) {
      passing = rectified(load(b_.y + y), passing);
    }
    if constexpr (pooled) {
      const M winner = load_bytes<T>(b_.winner + out);
      for (int k = 0; k < kPixels; ++k) {
        dz[k] = winner == k ? passing : V{};
      }
    } else {
      dz[0] = passing;
    }
  }

  /// Pixels of the convolution and their dz. Sums over them are added as a whole, since rounding errors grow
  /// with the length of a sum.
  template <int vectors>
  struct Pixels {
    int64_t count;
    int32_t patch[kPixelsAtOnce];  ///< from the image's first
    T dz[kPixelsAtOnce][vectors * kWidth];
  };

  template <int vectors>
  UFO_NOINLINE void adjoint_panel(int64_t image, int64_t column) const {
    constexpr int64_t kOutputs = kPixelsAtOnce / kPixels;
    const int64_t outputs = n_.out_height * n_.out_width;
    Pixels<vectors> pixels;
    for (int64_t begin = 0; begin < outputs; begin += kOutputs) {
      take_pixels(image, begin, begin + kOutputs < outputs ? begin + kOutputs : outputs, column, pixels);
      for_even_tiles<kSums / vectors>(p_.numbers(), [&]<int numbers>(int64_t first) UFO_FORCE {
        multiply<numbers>(pixels, image, first, column, begin > 0);
      });
    }
  }

  /// The pixels of the outputs [begin, end) of an image, whose dz are added to the sums.
  template <int vectors>
  UFO_NOINLINE void take_pixels(int64_t image, int64_t begin, int64_t end, int64_t column,
                                Pixels<vectors>& pixels) const {
    V sum[vectors] = {};
    int64_t count = 0;
    for (int64_t at = begin, row = begin / n_.out_width; at < end; ++row) {
      const int64_t row_begin = row * n_.out_width, row_end = row_begin + n_.out_width;
      const int64_t x = patch(0, row) - b_.x;
      const int64_t y = padded_out(image, row) + column, compact = out(image, row) + column;
      for (; at < row_end && at < end; ++at) {
        const int64_t output = at - row_begin;
        for (int v = 0; v < vectors; ++v) {
          const int64_t offset = output * n_.channels + v * kWidth;
          V dz[kPixels];
          before_pooling(y + offset, compact + offset, dz);
          for (int k = 0; k < kPixels; ++k) {
            store(pixels.dz[count + k] + v * kWidth, dz[k]);
            sum[v] += dz[k];
          }
        }
        for (int k = 0; k < kPixels; ++k) {
          pixels.patch[count++] = static_cast<int32_t>(x + pixel(output, k));
        }
      }
    }
    pixels.count = count;
    for (int v = 0; v < vectors; ++v) {
      T* to = b_.sums + image * n_.channels + column + v * kWidth;
      store(to, begin > 0 ? load(to) + sum[v] : sum[v]);
    }
  }

  /// The products of `numbers` numbers of the patches, from `first` on, with dz.
  template <int numbers, int vectors>
  UFO_INLINE void multiply(const Pixels<vectors>& pixels, int64_t image, int64_t first, int64_t column,
                           bool accumulate) const {
    V product[numbers][vectors] = {};
    const T* from[numbers];
    for (int i = 0; i < numbers; ++i) {
      from[i] = b_.x + image * p_.image + p_.offset[first + i];
    }
    for (int64_t at = 0; at < pixels.count; ++at) {
      const int64_t patch = pixels.patch[at];
      V dz[vectors];
      for (int v = 0; v < vectors; ++v) {
        dz[v] = load(pixels.dz[at] + v * kWidth);
      }
      for (int i = 0; i < numbers; ++i) {
        const T left = from[i][patch];
        for (int v = 0; v < vectors; ++v) {
          product[i][v] += left * dz[v];
        }
      }
    }
    T* products = b_.products + (image * p_.numbers() + first) * n_.channels + column;
    for (int i = 0; i < numbers; ++i) {
      for (int v = 0; v < vectors; ++v) {
        T* to = products + i * n_.channels + v * kWidth;
        store(to, accumulate ? load(to) + product[i][v] : product[i][v]);
      }
    }
  }

  const PatchSizes& p_;
  const BlockSizes& n_;
  const PatchBuffers<T>& b_;
};

/// Calls pass(passes) with those of a block's kind.
template <class T, class Pass>
UFO_INLINE void with_patch_passes(const PatchSizes& p, const BlockSizes& n, const PatchBuffers<T>& b,
                                  Pass&& pass) {
  const bool leaky = n.negative_slope > 0;
  if (n.pooled && leaky) {
    pass(PatchPasses<T, true, true>(p, n, b));
  } else if (n.pooled) {
    pass(PatchPasses<T, true, false>(p, n, b));
  } else if (leaky) {
    pass(PatchPasses<T, false, true>(p, n, b));
  } else {
    pass(PatchPasses<T, false, false>(p, n, b));
  }
}

template <class T>
void patch_value(const PatchSizes& p, const BlockSizes& n, const PatchBuffers<T>& b, int64_t begin,
                 int64_t end) {
  with_patch_passes(p, n, b, [=](const auto& passes) { passes.value(begin, end); });
}
template <class T>
void patch_adjoint(const PatchSizes& p, const BlockSizes& n, const PatchBuffers<T>& b, int64_t begin,
                   int64_t end) {
  with_patch_passes(p, n, b, [=](const auto& passes) { passes.adjoint(begin, end); });
}
template <class T>
void patch_tangent(const PatchSizes& p, const BlockSizes& n, const PatchBuffers<T>& b, int64_t begin,
                   int64_t end) {
  with_patch_passes(p, n, b, [=](const auto& passes) { passes.tangent(begin, end); });
}

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
