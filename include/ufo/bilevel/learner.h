#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/inner_adam.h>
#include <ufo/bilevel/inner_rates.h>
#include <ufo/bilevel/step_norms.h>
#include <ufo/nn/network.h>

namespace ufo::bilevel {

/// What is learned, theta [S]: the body of a network's initialisation, what its head begins as, and behind it
/// what belongs to the steps of the inner loop: batch norm's weights and biases of the later ones, where each
/// has its own, then the learned rates; or what the inner loop's Adam carries on. The head's part has a row a
/// class where it is linear, one where it is shared, else none. Cheap to copy.
struct Learner {
  const nn::Network& network;               ///< must outlive the learner
  std::shared_ptr<const InnerRates> rates;  ///< never null
  nn::Head head = nn::Head::linear;
  double weight_decay = 0;                 ///< InnerOptions::weight_decay
  std::shared_ptr<const nn::Layout> own;   ///< of theta without what belongs to the steps; never null
  std::shared_ptr<const StepNorms> norms;  ///< never null
  std::shared_ptr<const InnerAdam> adam;   ///< never null
  int64_t batch = 0;                       ///< InnerOptions::batch

  /// A linear head, with the rate InnerOptions::learning_rate for all parameters.
  Learner(const nn::Network& network);  // NOLINT: such a network is a learner

  /// With the rates of `inner`, on the device and of the dtype (float32 by default) of `like`. A theta that
  /// was learned with another head has `rows` rows of it, of which a head that is zero or a prototype takes
  /// no notice. Throws ConfigError as InnerRates does, where a head that is not linear shall begin in a
  /// network that does not give its features, for Adam where the head is not linear or the inner loop has
  /// variables of its own, and for batches where the head alone adapts.
  Learner(const nn::Network& network, const InnerOptions& inner, const at::TensorOptions& like,
          nn::Head head = nn::Head::linear, int64_t rows = 0);

  /// The same for a theta like `like`.
  Learner to(const at::TensorOptions& like) const;

  /// Where the head alone adapts and sees the same features in every step: the number of parameters below it,
  /// which are the body's; else 0.
  int64_t body() const {
    return rates->adapts() == Adapt::head && norms->size() == 0 ? network.layout().start_of_last(0) : 0;
  }

  /// S - N - R - A: how much of theta belongs to no inner step.
  int64_t size() const { return own->size(); }

  /// N, the classes that the network tells apart; not for a network without a head.
  int64_t ways() const { return network.layout().entries().back().shape.front(); }

  /// The rows of the head in theta.
  int64_t head_rows() const;

  /// Whether theta has a part for each class of an episode, so that it serves one number of ways alone.
  bool fixes_ways() const { return head == nn::Head::linear || rates->one_a_parameter(); }

  /// All parameters [P] of the network, of which the body's are those of theta, and the head's of no account
  /// unless it is linear.
  at::Tensor with_body(const at::Tensor& theta) const;

  /// phi_0 [T, P] for T support sets of images [T, N*K, C, H, W] with labels [T, N*K] and theta [S], or a
  /// copy of it for each task [T, S]; differentiable by autograd, any number of times.
  at::Tensor start(const at::Tensor& theta, const at::Tensor& support_images,
                   const at::Tensor& support_labels) const;

  /// The layout of theta, as in checkpoints.
  nn::Layout layout() const;

  /// The start of theta [S] float32 on the CPU, a pure function of `seed`.
  at::Tensor initial(uint64_t seed) const;
};

}  // namespace ufo::bilevel
