#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/inner_rates.h>
#include <ufo/nn/network.h>

namespace ufo::bilevel {

/// What is learned: a network's initialisation, and behind it in theta [S] the learned rates of its inner
/// loop. Cheap to copy.
struct Learner {
  const nn::Network& network;               ///< must outlive the learner
  std::shared_ptr<const InnerRates> rates;  ///< never null

  /// With the rate InnerOptions::learning_rate for all parameters.
  Learner(const nn::Network& network);  // NOLINT: such a network is a learner

  /// With the rates of `inner`, on the device and of the dtype (float32 by default) of `like`. Throws
  /// ConfigError as InnerRates does.
  Learner(const nn::Network& network, const InnerOptions& inner, const at::TensorOptions& like);

  /// The same for a theta like `like`.
  Learner to(const at::TensorOptions& like) const;

  /// Where the head alone adapts: the number of parameters below it, which are the body's; else 0.
  int64_t body() const { return rates->adapts() == Adapt::head ? network.layout().start_of_last(0) : 0; }

  /// The network's part of theta.
  at::Tensor initialisation(const at::Tensor& theta) const {
    return theta.narrow(0, 0, network.layout().size());
  }

  /// The layout of theta, as in checkpoints.
  nn::Layout layout() const;

  /// The start of theta [S] float32 on the CPU, a pure function of `seed`.
  at::Tensor initial(uint64_t seed) const;
};

}  // namespace ufo::bilevel
