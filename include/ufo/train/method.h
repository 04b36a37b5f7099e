#pragma once

#include <memory>
#include <optional>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/learner.h>
#include <ufo/nn/network.h>
#include <ufo/run/options.h>

namespace ufo::train {

/// What a config says of learning, without its data: the network, what learns of it in training and in
/// evaluation, and the estimator. The learners refer to the networks: it must stay where it is.
class Method {
 public:
  /// For images and training classes of `input`, on `device`. Throws ConfigError for options that do not go
  /// together.
  Method(const run::RunOptions& options, const nn::InputShape& input, at::Device device);
  Method(const Method&) = delete;
  Method& operator=(const Method&) = delete;

  const run::RunOptions& options() const { return options_; }
  const nn::InputShape& input() const { return input_; }
  const nn::Network& network() const { return *network_; }
  const bilevel::Learner& learner() const { return learner_; }
  /// That of validation and evaluation, for the same theta: it may have other ways, other inner batches, or
  /// another head.
  const bilevel::Learner& evaluation_learner() const {
    return evaluation_learner_ ? *evaluation_learner_ : learner_;
  }

  /// The estimator of `options`, its costs counted by the network's arithmetic. Throws ConfigError for values
  /// out of range, for a base of more blocks than the network has, and for what does not go together with
  /// the rest of the config.
  std::unique_ptr<bilevel::Estimator> make_estimator(const bilevel::EstimatorOptions& options) const;

 private:
  void make_evaluation_learner(at::Device device);

  run::RunOptions options_;
  nn::InputShape input_;
  std::unique_ptr<nn::Network> network_;
  bilevel::Learner learner_;                            ///< on the device
  std::unique_ptr<nn::Network> evaluation_network_;     ///< null where it is network_
  std::optional<bilevel::Learner> evaluation_learner_;  ///< none where it is learner_
};

/// Throws ConfigError where training would, as far as that can be said without the data.
void check_method(const run::RunOptions& options);

}  // namespace ufo::train
