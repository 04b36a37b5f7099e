#pragma once

#include "convolution_kernels.h"
#include "kernels.h"
#include "vector.h"

namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

/// Batch norm, rectifier and pooling for a panel of `vectors` vectors of channels beginning at `column`. The
/// equations (M = images x height x width, all means and sums over these):
///   h = (u - mean) scale,  z = gamma h + beta,  y = pool(max(s z, z)), where s = 0 unless `leaky`
///   dz = dy where its element won and z > 0, s dy where it won and z <= 0, else 0
///   du = gamma scale (dz - m1 - h m2),  m1 = sum(dz) / M,  m2 = sum(dz h) / M
/// and their tangents:
///   h_t = scale (u_t - mean(u_t) - h mean(h u_t)),  scale_t = -scale^2 mean(h u_t)
///   z_t = gamma_t h + gamma h_t + beta_t
///   du_t = (gamma_t scale + gamma scale_t) (dz - m1 - h m2) + gamma scale (dz_t - m1_t - h_t m2 - h m2_t)
/// with m1_t = sum(dz_t) / M and m2_t = sum(dz_t h + dz h_t) / M. Rectifier and pooling have no second
/// derivative: the tangents pass where the values passed, and as much of them.
template <class T, bool pooled, bool leaky, int vectors>
class BlockPanel {
  using V = Vector<T>;
  using M = Mask<T>;
  static constexpr int kWidth = kLanes<T>;

 public:
  BlockPanel(const BlockSizes& sizes, const BlockBuffers<T>& buffers, int64_t column)
      : n_(sizes), b_(buffers), column_(column) {
    count_ = static_cast<T>(n_.images * n_.height * n_.width);
    for (int v = 0; v < vectors; ++v) {
      mean_[v] = load(b_.mean + at(v));
      scale_[v] = load(b_.scale + at(v));
      gamma_[v] = load(b_.gamma + at(v));
      beta_[v] = load(b_.beta + at(v));
    }
  }

  void value() const {
    sweep(0, n_.images, [&](const Window& w) UFO_FORCE {
      for (int v = 0; v < vectors; ++v) {
        V best = leaky ? V{} - static_cast<T>(__builtin_inf()) : V{}, best_h = {};
        M winner = M{} + 4;
        for (int k = 0; k < w.pixels; ++k) {
          const V h = normalised(w.u[k], v), z = h * gamma_[v] + beta_[v];
          const M better = z > best;
          best = better ? z : best;
          if constexpr (pooled) {
            best_h = better ? h : best_h;
            winner = better ? M{} + k : winner;
          }
        }
        if (w.inside) {
          store(b_.y + w.y + at(v), leaky ? rectified(best, best) : best);
          if constexpr (pooled) {
            store(b_.winner_h + w.out + at(v), best_h);
            store_bytes<T>(b_.winner + w.out + at(v), winner);
          }
        }
      }
    });
  }

  void adjoint_sums() const {
    Sums dz_sum(b_.beta_gradient + column_), dzh_sum(b_.gamma_gradient + column_);
    sweep(
        0, n_.images,
        [&](const Window& w) UFO_FORCE {
          if (!w.inside) {
            return;
          }
          for (int v = 0; v < vectors; ++v) {
            const V dz = passed(w, v) ? before_rectifier(w, v, b_.dy) : V{};
            dz_sum.part[v] += dz;
            dzh_sum.part[v] += dz * winning_h(w, v);
          }
        },
        [&]() UFO_FORCE { dz_sum.flush(), dzh_sum.flush(); });
  }

  void adjoint(int64_t begin, int64_t end) const {
    V factor[vectors], m1[vectors], m2[vectors];
    for (int v = 0; v < vectors; ++v) {
      factor[v] = gamma_[v] * scale_[v];
      m1[v] = load(b_.beta_gradient + at(v)) / count_;
      m2[v] = load(b_.gamma_gradient + at(v)) / count_ * scale_[v];
    }
    T* du = b_.du - begin * gradient_image();
    sweep(begin, end, [&](const Window& w) UFO_FORCE {
      for (int v = 0; v < vectors; ++v) {
        const M winner = winners(w, v);
        const V dy = w.inside ? before_rectifier(w, v, b_.dy) : V{};
        for (int k = 0; k < w.pixels; ++k) {
          const V dz = winner == k ? dy : V{};
          const V centred = load(b_.u + w.u[k] + at(v)) - mean_[v];
          store(du + w.du[k] + at(v), factor[v] * (dz - m1[v] - centred * m2[v]));
        }
      }
    });
  }

  void tangent_sums() const {
    Sums u_sum(b_.mean_t + column_), hu_sum(b_.mean_hu_t + column_);
    for (int64_t row = 0; row < n_.images * n_.height; ++row) {
      for (int64_t p = row * n_.width; p < (row + 1) * n_.width; ++p) {
        for (int v = 0; v < vectors; ++v) {
          const V u_t = load(b_.u_t + p * n_.channels + at(v));
          u_sum.part[v] += u_t;
          hu_sum.part[v] += u_t * normalised(p * n_.channels, v);
        }
      }
      u_sum.flush(), hu_sum.flush();
    }
    u_sum.divide(count_), hu_sum.divide(count_);
  }

  void tangent() const {
    V mean_t[vectors], mean_hu_t[vectors], gamma_t[vectors], beta_t[vectors];
    for (int v = 0; v < vectors; ++v) {
      mean_t[v] = load(b_.mean_t + at(v)), mean_hu_t[v] = load(b_.mean_hu_t + at(v));
      gamma_t[v] = load(b_.gamma_t + at(v)), beta_t[v] = load(b_.beta_t + at(v));
    }
    sweep(0, n_.images, [&](const Window& w) UFO_FORCE {
      for (int v = 0; v < vectors; ++v) {
        const M winner = winners(w, v);
        V y_t = {};
        for (int k = 0; k < w.pixels; ++k) {
          const V h = normalised(w.u[k], v);
          const V h_t = scale_[v] * (load(b_.u_t + w.u[k] + at(v)) - mean_t[v] - h * mean_hu_t[v]);
          store(b_.u_t + w.u[k] + at(v), h_t);
          y_t = winner == k ? gamma_t[v] * h + gamma_[v] * h_t + beta_t[v] : y_t;
        }
        if (w.inside) {
          store(b_.y_t + w.y + at(v), leaky ? rectified(load(b_.y + w.y + at(v)), y_t) : y_t);
        }
      }
    });
  }

  void tangent_adjoint_sums() const {
    Sums dz_sum(b_.beta_gradient_t + column_), dzh_sum(b_.gamma_gradient_t + column_);
    sweep(
        0, n_.images,
        [&](const Window& w) UFO_FORCE {
          if (!w.inside) {
            return;
          }
          for (int v = 0; v < vectors; ++v) {
            const M winner = winners(w, v);
            V h_t = {};
            for (int k = 0; k < w.pixels; ++k) {
              h_t = winner == k ? load(b_.u_t + w.u[k] + at(v)) : h_t;
            }
            const M pass = passed(w, v);
            const V dz = pass ? before_rectifier(w, v, b_.dy) : V{},
                    dz_t = pass ? before_rectifier(w, v, b_.dy_t) : V{};
            dz_sum.part[v] += dz_t;
            dzh_sum.part[v] += dz_t * winning_h(w, v) + dz * h_t;
          }
        },
        [&]() UFO_FORCE { dz_sum.flush(), dzh_sum.flush(); });
  }

  void tangent_adjoint(int64_t begin, int64_t end) const {
    V factor[vectors], factor_t[vectors], m1[vectors], m2[vectors], m1_t[vectors], m2_t[vectors];
    for (int v = 0; v < vectors; ++v) {
      const V scale_t = -scale_[v] * scale_[v] * load(b_.mean_hu_t + at(v));
      factor[v] = gamma_[v] * scale_[v];
      factor_t[v] = load(b_.gamma_t + at(v)) * scale_[v] + gamma_[v] * scale_t;
      m1[v] = load(b_.beta_gradient + at(v)) / count_, m2[v] = load(b_.gamma_gradient + at(v)) / count_;
      m1_t[v] = load(b_.beta_gradient_t + at(v)) / count_,
      m2_t[v] = load(b_.gamma_gradient_t + at(v)) / count_;
    }
    T* du_t = b_.du_t - begin * gradient_image();
    sweep(begin, end, [&](const Window& w) UFO_FORCE {
      for (int v = 0; v < vectors; ++v) {
        const M winner = winners(w, v);
        const V dy = w.inside ? before_rectifier(w, v, b_.dy) : V{};
        const V dy_t = w.inside ? before_rectifier(w, v, b_.dy_t) : V{};
        for (int k = 0; k < w.pixels; ++k) {
          const V dz = winner == k ? dy : V{}, dz_t = winner == k ? dy_t : V{};
          const V h = normalised(w.u[k], v), h_t = load(b_.u_t + w.u[k] + at(v));
          store(du_t + w.du[k] + at(v), factor_t[v] * (dz - m1[v] - h * m2[v]) +
                                            factor[v] * (dz_t - m1_t[v] - h_t * m2[v] - h * m2_t[v]));
        }
      }
    });
  }

 private:
  /// Where the pixels of one output lie: one, or those of a 2x2 window (fewer at an odd edge, which no output
  /// covers).
  struct Window {
    int64_t u[pooled ? 4 : 1];
    int64_t du[pooled ? 4 : 1];
    int pixels;
    bool inside;
    int64_t out;  ///< in a compact buffer, [images, out_height, out_width, F]
    int64_t y;    ///< in the padded one
  };

  /// Sums that are kept for one row of pixels in registers and over all rows in memory: rounding errors grow
  /// with the length of a sum.
  struct Sums {
    explicit Sums(T* total) : total(total) {
      for (int v = 0; v < vectors; ++v) {
        store(total + v * kWidth, V{});
        part[v] = V{};
      }
    }
    void flush() {
      for (int v = 0; v < vectors; ++v) {
        store(total + v * kWidth, load(total + v * kWidth) + part[v]);
        part[v] = V{};
      }
    }
    void divide(T by) {
      for (int v = 0; v < vectors; ++v) {
        store(total + v * kWidth, load(total + v * kWidth) / by);
      }
    }
    T* total;
    V part[vectors];
  };

  int64_t at(int v) const { return column_ + v * kWidth; }
  int64_t gradient_image() const {
    return (n_.height + 2 * n_.gradient_padding) * (n_.width + 2 * n_.gradient_padding) * n_.channels;
  }

  UFO_INLINE V normalised(int64_t offset, int v) const {
    return (load(b_.u + offset + at(v)) - mean_[v]) * scale_[v];
  }
  /// x where y > 0, s x where not.
  UFO_INLINE V rectified(V y, V x) const { return y > V{} ? x : x * static_cast<T>(n_.negative_slope); }
  /// The adjoint of the window's z, of that of its y in `dy`.
  UFO_INLINE V before_rectifier(const Window& w, int v, const T* dy) const {
    const V passing = load(dy + w.out + at(v));
    return leaky ? rectified(load(b_.y + w.y + at(v)), passing) : passing;
  }
  /// The winning pixel of each channel; 4 where ReLU cut it off or no output covers the window.
  UFO_INLINE M winners(const Window& w, int v) const {
    if (!w.inside) {
      return M{} + 4;
    }
    if constexpr (pooled) {
      return load_bytes<T>(b_.winner + w.out + at(v));
    } else if constexpr (leaky) {
      return M{};
    } else {
      return load(b_.y + w.y + at(v)) > V{} ? M{} : M{} + 4;
    }
  }
  UFO_INLINE M passed(const Window& w, int v) const { return winners(w, v) < M{} + 4; }
  UFO_INLINE V winning_h(const Window& w, int v) const {
    if constexpr (pooled) {
      return load(b_.winner_h + w.out + at(v));
    } else {
      return normalised(w.u[0], v);
    }
  }

  /// Calls work(window) for every output of the images [begin, end), and for what is left over at odd edges;
  /// row_done() after each row of them.
  template <class Work, class RowDone>
  UFO_INLINE void sweep(int64_t begin, int64_t end, Work&& work, RowDone&& row_done) const {
    constexpr int64_t size = pooled ? 2 : 1;
    const int64_t f = n_.channels, u_row = n_.width * f;
    const int64_t du_row = (n_.width + 2 * n_.gradient_padding) * f,
                  y_row = (n_.out_width + 2 * n_.out_padding) * f;
    for (int64_t image = begin; image < end; ++image) {
      for (int64_t row = 0; row < n_.height; row += size) {
        const int64_t out_row = row / size;
        int64_t u = (image * n_.height + row) * u_row;
        int64_t du =
            image * gradient_image() + (row + n_.gradient_padding) * du_row + n_.gradient_padding * f;
        int64_t out = (image * n_.out_height + out_row) * n_.out_width * f;
        int64_t y = ((n_.out_height + 2 * n_.out_padding) * image + out_row + n_.out_padding) * y_row +
                    n_.out_padding * f;
        if constexpr (!pooled) {
          for (int64_t column = 0; column < n_.width; ++column, u += f, du += f, out += f, y += f) {
            work(Window{{u}, {du}, 1, true, out, y});
          }
        } else {
          int64_t column = 0;
          if (row + 1 < n_.height) {
            for (; column + 1 < n_.width; column += 2, u += 2 * f, du += 2 * f, out += f, y += f) {
              work(Window{{u, u + f, u + u_row, u + u_row + f},
                          {du, du + f, du + du_row, du + du_row + f},
                          4,
                          true,
                          out,
                          y});
            }
            if (column < n_.width) {
              work(Window{{u, u + u_row}, {du, du + du_row}, 2, false, 0, 0});
            }
          } else {
            for (; column < n_.width; ++column, u += f, du += f) {
              work(Window{{u}, {du}, 1, false, 0, 0});
            }
          }
        }
        row_done();
      }
    }
  }

  template <class Work>
  UFO_INLINE void sweep(int64_t begin, int64_t end, Work&& work) const {
    sweep(begin, end, work, [] {});
  }

  const BlockSizes& n_;
  const BlockBuffers<T>& b_;
  int64_t column_;
  T count_;
  V mean_[vectors], scale_[vectors], gamma_[vectors], beta_[vectors];
};

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
