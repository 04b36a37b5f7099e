#include "head.h"

#include <algorithm>
#include <cmath>

namespace ufo::nn::cpu {
namespace {

/// The features of all images: `out` itself, or its mean over the pixels.
template <class T>
const T* pool(const HeadSizes& n, const T* out, T* features) {
  if (!n.spatial_mean) {
    return out;
  }
  std::fill_n(features, n.images * n.channels, T(0));
  for (int64_t i = 0; i < n.images; ++i) {
    for (int64_t pixel = 0; pixel < n.pixels; ++pixel) {
      kernels<T>().add_scaled(features + i * n.channels, T(1) / static_cast<T>(n.pixels),
                              out + (i * n.pixels + pixel) * n.channels, n.channels);
    }
  }
  return features;
}

/// Where the gradient by the features is gathered: d_out itself, or a buffer that spread() hands on.
template <class T>
T* gathered(const HeadSizes& n, T* d_out, T* d_features) {
  T* target = n.spatial_mean ? d_features : d_out;
  std::fill_n(target, n.images * n.features(), T(0));
  return target;
}

template <class T>
void spread(const HeadSizes& n, const T* d_features, T* d_out) {
  if (!n.spatial_mean) {
    return;
  }
  for (int64_t i = 0; i < n.images; ++i) {
    for (int64_t pixel = 0; pixel < n.pixels; ++pixel) {
      T* to = d_out + (i * n.pixels + pixel) * n.channels;
      for (int64_t c = 0; c < n.channels; ++c) {
        to[c] = d_features[i * n.channels + c] / static_cast<T>(n.pixels);
      }
    }
  }
}

}  // namespace

template <class T>
const T* head_features(const HeadSizes& n, const HeadBuffers<T>& b) {
  return pool(n, b.out, b.features);
}

template <class T>
void head_features_adjoint(const HeadSizes& n, const HeadBuffers<T>& b, const T* d) {
  std::copy_n(d, n.images * n.features(), gathered(n, b.d_out, b.d_features));
  spread(n, b.d_features, b.d_out);
}

template <class T>
LossAndAccuracy head_value(const HeadSizes& n, const HeadBuffers<T>& b, HeadParameters<T> p,
                           const int64_t* labels) {
  const int64_t size = n.features();
  const T* features = pool(n, b.out, b.features);
  double loss = 0;
  int64_t correct = 0;
  for (int64_t i = 0; i < n.images; ++i) {
    T* probability = b.probability + i * n.ways;
    for (int64_t j = 0; j < n.ways; ++j) {
      probability[j] = kernels<T>().dot(features + i * size, p.weight + j * size, size) + p.bias[j];
    }
    const T* largest = std::max_element(probability, probability + n.ways);
    const T shift = *largest, label_logit = probability[labels[i]] - shift;
    correct += largest - probability == labels[i];
    T sum = 0;
    for (int64_t j = 0; j < n.ways; ++j) {
      sum += probability[j] = std::exp(probability[j] - shift);
    }
    for (int64_t j = 0; j < n.ways; ++j) {
      probability[j] /= sum;
    }
    loss += std::log(static_cast<double>(sum)) - static_cast<double>(label_logit);
  }
  return {loss / static_cast<double>(n.images), static_cast<double>(correct) / static_cast<double>(n.images)};
}

template <class T>
void head_adjoint(const HeadSizes& n, const HeadBuffers<T>& b, HeadParameters<T> p, const int64_t* labels,
                  HeadGradients<T> g) {
  const auto& k = kernels<T>();
  const int64_t size = n.features();
  const T* features = n.spatial_mean ? b.features : b.out;
  T* d_features = gathered(n, b.d_out, b.d_features);
  std::fill_n(g.weight, n.ways * size, T(0));
  std::fill_n(g.bias, n.ways, T(0));
  for (int64_t i = 0; i < n.images; ++i) {
    const T* probability = b.probability + i * n.ways;
    T* dl = b.dl + i * n.ways;
    for (int64_t j = 0; j < n.ways; ++j) {
      dl[j] = (probability[j] - T(labels[i] == j)) / static_cast<T>(n.images);
      g.bias[j] += dl[j];
      k.add_scaled(g.weight + j * size, dl[j], features + i * size, size);
      k.add_scaled(d_features + i * size, dl[j], p.weight + j * size, size);
    }
  }
  spread(n, d_features, b.d_out);
}

template <class T>
void head_tangent(const HeadSizes& n, const HeadBuffers<T>& b, HeadParameters<T> p,
                  HeadParameters<T> direction, HeadGradients<T> g) {
  const auto& k = kernels<T>();
  const int64_t size = n.features();
  const T* features = n.spatial_mean ? b.features : b.out;
  const bool moved = b.out_t != nullptr;
  const T* features_t = moved ? pool(n, b.out_t, b.features_t) : nullptr;
  T* d_features_t = moved ? gathered(n, b.d_out_t, b.d_features_t) : nullptr;
  std::fill_n(g.weight, n.ways * size, T(0));
  std::fill_n(g.bias, n.ways, T(0));
  for (int64_t i = 0; i < n.images; ++i) {
    const T *probability = b.probability + i * n.ways, *dl = b.dl + i * n.ways;
    const T *f = features + i * size, *f_t = moved ? features_t + i * size : nullptr;
    T* logits_t = b.logits_t + i * n.ways;
    T mean = 0;
    for (int64_t j = 0; j < n.ways; ++j) {
      const T from_features = moved ? k.dot(f_t, p.weight + j * size, size) : T(0);
      logits_t[j] = from_features + k.dot(f, direction.weight + j * size, size) + direction.bias[j];
      mean += probability[j] * logits_t[j];
    }
    for (int64_t j = 0; j < n.ways; ++j) {
      const T dl_t = probability[j] * (logits_t[j] - mean) / static_cast<T>(n.images);
      g.bias[j] += dl_t;
      k.add_scaled(g.weight + j * size, dl_t, f, size);
      if (moved) {
        k.add_scaled(g.weight + j * size, dl[j], f_t, size);
        k.add_scaled(d_features_t + i * size, dl_t, p.weight + j * size, size);
        k.add_scaled(d_features_t + i * size, dl[j], direction.weight + j * size, size);
      }
    }
  }
  if (moved) {
    spread(n, d_features_t, b.d_out_t);
  }
}

template const float* head_features(const HeadSizes&, const HeadBuffers<float>&);
template const double* head_features(const HeadSizes&, const HeadBuffers<double>&);
template void head_features_adjoint(const HeadSizes&, const HeadBuffers<float>&, const float*);
template void head_features_adjoint(const HeadSizes&, const HeadBuffers<double>&, const double*);
template LossAndAccuracy head_value(const HeadSizes&, const HeadBuffers<float>&, HeadParameters<float>,
                                    const int64_t*);
template LossAndAccuracy head_value(const HeadSizes&, const HeadBuffers<double>&, HeadParameters<double>,
                                    const int64_t*);
template void head_adjoint(const HeadSizes&, const HeadBuffers<float>&, HeadParameters<float>, const int64_t*,
                           HeadGradients<float>);
template void head_adjoint(const HeadSizes&, const HeadBuffers<double>&, HeadParameters<double>,
                           const int64_t*, HeadGradients<double>);
template void head_tangent(const HeadSizes&, const HeadBuffers<float>&, HeadParameters<float>,
                           HeadParameters<float>, HeadGradients<float>);
template void head_tangent(const HeadSizes&, const HeadBuffers<double>&, HeadParameters<double>,
                           HeadParameters<double>, HeadGradients<double>);

}  // namespace ufo::nn::cpu
