#pragma once

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/inner_loop.h>
#include <ufo/nn/network.h>

namespace ufo::train {

// S support images, R query images of shape [C, H, W]; N ways, P parameters.

/// An initialisation adapted to one support set, ready to classify.
class Predictor {
 public:
  /// Takes `inner.steps` steps from theta [P] on the support images [S, C, H, W] with labels [S], on the
  /// device and in the dtype of theta. The learner's network must outlive the predictor. Throws
  /// std::runtime_error, as probabilities() does too, where what comes out is not finite.
  Predictor(const bilevel::Learner& learner, const at::Tensor& theta, const at::Tensor& support_images,
            const at::Tensor& support_labels, const bilevel::InnerOptions& inner, bilevel::Engine engine);

  /// One whose parameters phi [P] were adapted to the support images before.
  Predictor(const nn::Network& network, const at::Tensor& phi, const at::Tensor& support_images);

  /// phi [P], on the device of the predictor.
  at::Tensor parameters() const { return phi_.squeeze(0); }

  /// Whether an image classified alone has a say in its class. It has none under BatchNorm::batch where the
  /// last map is one pixel: that is its own mean, so that every image gives the same logits.
  bool sees_lone_images() const;

  /// The probability of each class, [R, N] on the CPU, for query images [R, C, H, W]. Under BatchNorm::batch
  /// it depends on the R images together, else on each alone.
  at::Tensor probabilities(const at::Tensor& query_images) const;

 private:
  at::Tensor placed(const at::Tensor& images) const;

  const nn::Network& network_;
  at::Tensor phi_, support_images_;
};

}  // namespace ufo::train
