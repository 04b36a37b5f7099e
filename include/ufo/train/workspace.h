#pragma once

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/learner.h>
#include <ufo/data/dataset.h>
#include <ufo/episode/sampler.h>
#include <ufo/nn/network.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/config.h>
#include <ufo/run/options.h>
#include <ufo/train/method.h>

namespace ufo::train {

/// What every subcommand that computes works with, made from a config. Samplers and problems refer to it: it
/// must stay where it is.
class Workspace {
 public:
  /// Finds the device, loads the data set and makes the network. `local_rank` is the number of this process
  /// among those that train together on this machine. Throws ConfigError and DataError.
  explicit Workspace(const run::Config& config, int64_t local_rank = 0);
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  const run::RunOptions& options() const { return method_.options(); }
  at::Device device() const { return device_; }
  bilevel::Engine engine() const { return options().engine; }
  const data::Dataset& dataset() const { return dataset_; }
  const nn::InputShape& input() const { return method_.input(); }
  const nn::Network& network() const { return method_.network(); }
  const bilevel::Learner& learner() const { return method_.learner(); }
  const bilevel::Learner& evaluation_learner() const { return method_.evaluation_learner(); }

  /// Samplers of training episodes, and of those of validation and evaluation, which have ways, shots and
  /// queries of their own. Throw ConfigError where the data set has too few classes or images.
  episode::EpisodeSampler training_sampler() const;
  episode::EpisodeSampler evaluation_sampler(uint64_t seed) const;

  /// The estimator of the config, or of `options`. Throws as Method::make_estimator does.
  std::unique_ptr<bilevel::Estimator> make_estimator() const {
    return make_estimator(options().meta_gradient);
  }
  std::unique_ptr<bilevel::Estimator> make_estimator(const bilevel::EstimatorOptions& options) const {
    return method_.make_estimator(options);
  }

  /// theta [S] on the device: the initialisation of the config's seed, and the rates' start.
  at::Tensor initial_parameters() const;

 private:
  at::Device device_;
  data::Dataset dataset_;
  Method method_;
};

/// The checkpoint `file`, or one of the initialisation of the config's seed alone where it is empty, in
/// float32 on the CPU. Throws DataError as load_checkpoint does.
run::Checkpoint checkpoint_or_initial(const Workspace& workspace, const std::string& file);

}  // namespace ufo::train
