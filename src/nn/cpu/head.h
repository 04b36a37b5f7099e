#pragma once

#include "kernels.h"

#include <cstdint>

namespace ufo::nn::cpu {

/// The sizes behind the last block. Features are `pixels` x `channels` numbers an image (pooling net), or the
/// mean over the pixels (spatial mean).
struct HeadSizes {
  int64_t images, ways, pixels, channels;
  bool spatial_mean;

  int64_t features() const { return spatial_mean ? channels : pixels * channels; }
  int64_t out_image() const { return pixels * channels; }
};

/// Linear layer and mean cross-entropy: l = W f + b, p = softmax(l), loss = mean(-log p[label]). Buffers a
/// image:
template <class T>
struct HeadBuffers {
  const T* out;    ///< last block's y, [images, pixels, channels]
  T* features;     ///< [images, features]; unused without spatial mean
  T* probability;  ///< [images, ways]
  T* dl;           ///< dloss/dl, [images, ways]
  T* d_features;   ///< [images, features]; unused without spatial mean
  T* d_out;        ///< [images, pixels, channels]

  const T* out_t;  ///< null where no direction moves the last block: then nobody asks for d_out_t either
  T* features_t;
  T* logits_t;  ///< [images, ways]
  T* d_features_t;
  T* d_out_t;
};

template <class T>
struct HeadParameters {
  const T* weight;  ///< [ways, features]
  const T* bias;    ///< [ways]
};

template <class T>
struct HeadGradients {
  T* weight;
  T* bias;
};

struct LossAndAccuracy {
  double loss;
  double accuracy;
};

/// The features of all images [images, features], in a buffer or where the last block left them.
template <class T>
const T* head_features(const HeadSizes&, const HeadBuffers<T>&);

/// Their adjoint: d_out from `d` [images, features].
template <class T>
void head_features_adjoint(const HeadSizes&, const HeadBuffers<T>&, const T* d);

/// The value: the features, the probabilities and the loss.
template <class T>
LossAndAccuracy head_value(const HeadSizes&, const HeadBuffers<T>&, HeadParameters<T>, const int64_t* labels);

/// The adjoint at the point where head_value() left its buffers: dl, the gradients and d_out.
template <class T>
void head_adjoint(const HeadSizes&, const HeadBuffers<T>&, HeadParameters<T>, const int64_t* labels,
                  HeadGradients<T> gradients);

/// The tangents of both along `direction`, at the point where they left their buffers: the gradients'
/// tangents and d_out_t.
template <class T>
void head_tangent(const HeadSizes&, const HeadBuffers<T>&, HeadParameters<T>, HeadParameters<T> direction,
                  HeadGradients<T> gradients_t);

}  // namespace ufo::nn::cpu
