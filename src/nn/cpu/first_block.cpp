#include "first_block.h"

#include "split.h"

#include <algorithm>
#include <cmath>

namespace ufo::nn::cpu {
namespace {

/// sum_k a[k, f] b[k, f] for each f.
template <class A, class B>
std::vector<double> column_products(const A* a, const B* b, int64_t k, int64_t f) {
  std::vector<double> sums(f);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < f; ++j) {
      sums[j] += static_cast<double>(a[i * f + j]) * static_cast<double>(b[i * f + j]);
    }
  }
  return sums;
}

/// sum_k m[k] w[k, f] for each f.
template <class T>
void mean_of(const double* m, const T* w, int64_t k, int64_t f, double* mean) {
  std::fill_n(mean, f, 0.0);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < f; ++j) {
      mean[j] += m[i] * static_cast<double>(w[i * f + j]);
    }
  }
}

}  // namespace

template <class T>
FirstBlock<T>::FirstBlock(const BlockGeometry& geometry, const ImageSet<T>& images,
                          const FirstBlockState& state, const BlockBuffers<T>& outputs, Scratch<T>& scratch)
    : geometry_(geometry),
      images_(images),
      state_(state),
      k_(images.plan().numbers()),
      f_(geometry.sizes.channels),
      filters_(scratch.at(Scratch<T>::filters, (k_ + 1) * f_)),
      bias_(filters_ + k_ * f_),
      scratch_(scratch) {
  buffers_.x = images.padded();
  buffers_.filters = filters_, buffers_.bias = bias_;
  buffers_.y = outputs.y, buffers_.winner = outputs.winner;
}

template <class T>
void FirstBlock<T>::spread_of(const T* w, double* spread) const {
  const double* covariance = images_.covariance();
  std::fill_n(spread, k_ * f_, 0.0);
  for (int64_t i = 0; i < k_; ++i) {
    for (int64_t j = 0; j < k_; ++j) {
      for (int64_t f = 0; f < f_; ++f) {
        spread[i * f_ + f] += covariance[i * k_ + j] * static_cast<double>(w[j * f_ + f]);
      }
    }
  }
}

template <class T>
void FirstBlock<T>::run(Pass pass) const {
  const BlockSizes& n = geometry_.sizes;
  const double flops = 2.0 * static_cast<double>(n.images * n.height * n.width * k_ * f_);
  const double direct =
      2.0 * static_cast<double>(n.images * geometry_.image_taps * geometry_.in_channels * f_);
  const PartTimer timer(Part::convolution, {flops, direct});
  const PatchSizes patches = images_.plan().sizes();
  split(n.images, 1, flops, [&](int64_t begin, int64_t end) { pass(patches, n, buffers_, begin, end); });
}

// Image by image, so that the order of the sum is the same for any number of threads.
template <class T>
void FirstBlock<T>::add_up(const T* dy, double* products, double* sums) {
  const int64_t images = geometry_.sizes.images, size = k_ * f_;
  buffers_.dy = dy;
  buffers_.products = scratch_.at(Scratch<T>::filter_gradient, images * (size + f_));
  buffers_.sums = buffers_.products + images * size;
  run(kernels<T>().patch_adjoint);
  const auto add = [images](const T* parts, int64_t count, double* total) {
    std::fill_n(total, count, 0.0);
    for (int64_t i = 0; i < images; ++i) {
      for (int64_t j = 0; j < count; ++j) {
        total[j] += static_cast<double>(parts[i * count + j]);
      }
    }
  };
  add(buffers_.products, size, products);
  add(buffers_.sums, f_, sums);
}

template <class T>
void FirstBlock<T>::value(Parameters p, double eps) {
  spread_of(p.weight, state_.spread);
  mean_of(images_.mean(), p.weight, k_, f_, state_.mean);
  const auto variance = column_products(p.weight, state_.spread, k_, f_);
  for (int64_t f = 0; f < f_; ++f) {
    // Rounding may leave less than nothing of the variance of a constant.
    const double scale = 1 / std::sqrt(std::max(variance[f], 0.0) + eps);
    const double factor = static_cast<double>(p.gamma[f]) * scale;
    state_.scale[f] = scale;
    bias_[f] = static_cast<T>(static_cast<double>(p.beta[f]) - factor * state_.mean[f]);
    for (int64_t k = 0; k < k_; ++k) {
      filters_[k * f_ + f] = static_cast<T>(factor * static_cast<double>(p.weight[k * f_ + f]));
    }
  }
  run(kernels<T>().patch_value);
}

template <class T>
void FirstBlock<T>::adjoint(Parameters p, const T* dy, Gradients gradients) {
  const FirstBlockState& s = state_;
  add_up(dy, s.products, s.beta_gradient);
  const auto wd = column_products(p.weight, s.products, k_, f_);
  const double* m = images_.mean();
  for (int64_t f = 0; f < f_; ++f) {
    s.gamma_gradient[f] = s.scale[f] * (wd[f] - s.mean[f] * s.beta_gradient[f]);
    gradients.gamma[f] = static_cast<T>(s.gamma_gradient[f]);
    gradients.beta[f] = static_cast<T>(s.beta_gradient[f]);
  }
  for (int64_t k = 0; k < k_; ++k) {
    for (int64_t f = 0; f < f_; ++f) {
      const double centred = s.products[k * f_ + f] - m[k] * s.beta_gradient[f] -
                             s.scale[f] * s.spread[k * f_ + f] * s.gamma_gradient[f];
      gradients.weight[k * f_ + f] = static_cast<T>(static_cast<double>(p.gamma[f]) * s.scale[f] * centred);
    }
  }
}

template <class T>
void FirstBlock<T>::tangent(Parameters p, Parameters v, const FirstBlockTangents& t, T* y_t) {
  const FirstBlockState& s = state_;
  spread_of(v.weight, t.spread_t);
  mean_of(images_.mean(), v.weight, k_, f_, t.mean_t);
  const auto covariance = column_products(p.weight, t.spread_t, k_, f_);
  for (int64_t f = 0; f < f_; ++f) {
    t.mean_hu_t[f] = s.scale[f] * covariance[f];
    const double gamma = static_cast<double>(p.gamma[f]), gamma_t = static_cast<double>(v.gamma[f]);
    const double scale_t = -s.scale[f] * s.scale[f] * t.mean_hu_t[f];
    const double of_w = gamma_t * s.scale[f] + gamma * scale_t, of_v = gamma * s.scale[f];
    bias_[f] = static_cast<T>(static_cast<double>(v.beta[f]) - of_w * s.mean[f] - of_v * t.mean_t[f]);
    for (int64_t k = 0; k < k_; ++k) {
      filters_[k * f_ + f] = static_cast<T>(of_w * static_cast<double>(p.weight[k * f_ + f]) +
                                            of_v * static_cast<double>(v.weight[k * f_ + f]));
    }
  }
  buffers_.y_t = y_t;
  run(kernels<T>().patch_tangent);
}

template <class T>
void FirstBlock<T>::tangent_adjoint(Parameters p, Parameters v, const FirstBlockTangents& t, const T* dy_t,
                                    Gradients gradients_t) {
  const FirstBlockState& s = state_;
  std::vector<double> products_t(k_ * f_), beta_gradient_t(f_), gamma_gradient_t(f_);
  add_up(dy_t, products_t.data(), beta_gradient_t.data());
  const auto wd_t = column_products(p.weight, products_t.data(), k_, f_);
  const auto vd = column_products(v.weight, s.products, k_, f_);
  const double* m = images_.mean();
  for (int64_t f = 0; f < f_; ++f) {
    gamma_gradient_t[f] =
        s.scale[f] * (wd_t[f] - s.mean[f] * beta_gradient_t[f] + vd[f] - t.mean_t[f] * s.beta_gradient[f] -
                      t.mean_hu_t[f] * s.gamma_gradient[f]);
    gradients_t.gamma[f] = static_cast<T>(gamma_gradient_t[f]);
    gradients_t.beta[f] = static_cast<T>(beta_gradient_t[f]);
  }
  for (int64_t k = 0; k < k_; ++k) {
    for (int64_t f = 0; f < f_; ++f) {
      const int64_t i = k * f_ + f;
      const double gamma = static_cast<double>(p.gamma[f]), gamma_t = static_cast<double>(v.gamma[f]);
      const double scale = s.scale[f], scale_t = -scale * scale * t.mean_hu_t[f];
      const double centred =
          s.products[i] - m[k] * s.beta_gradient[f] - scale * s.spread[i] * s.gamma_gradient[f];
      const double centred_t = products_t[i] - m[k] * beta_gradient_t[f] -
                               (scale_t * s.spread[i] + scale * t.spread_t[i]) * s.gamma_gradient[f] -
                               scale * s.spread[i] * gamma_gradient_t[f];
      gradients_t.weight[i] =
          static_cast<T>((gamma_t * scale + gamma * scale_t) * centred + gamma * scale * centred_t);
    }
  }
}

template class FirstBlock<float>;
template class FirstBlock<double>;

}  // namespace ufo::nn::cpu
