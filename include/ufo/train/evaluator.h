#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/inner_loop.h>
#include <ufo/data/dataset.h>
#include <ufo/episode/device_images.h>
#include <ufo/episode/sampler.h>
#include <ufo/run/evaluation.h>

namespace ufo::train {

// N episodes, K inner steps.

/// How to evaluate.
struct EvaluationRequest {
  data::Split split = data::Split::test;
  int64_t tasks = 600;  ///< N: episodes first to first + N - 1 of the sampler
  int64_t first = 0;
  bilevel::InnerOptions inner;  ///< its `steps` is K
  bilevel::Engine engine = bilevel::Engine::hand_written;
  run::EnsembleMean ensemble_mean = run::EnsembleMean::probabilities;
  const episode::DeviceImages* images = nullptr;  ///< of the sampler's data set, where theta lies on a device
                                                  ///< and they are there already
  std::function<bool()> should_stop = {};  ///< asked before each episode, by several threads; true breaks off
};

/// Thrown where a request's should_stop broke an evaluation off.
class EvaluationStopped : public std::runtime_error {
 public:
  EvaluationStopped() : std::runtime_error("the evaluation was stopped before its end") {}
};

/// Adapts `theta` [P] to N episodes. On the CPU an episode a thread; the same bits for any number of threads.
/// Under BatchNorm::batch the statistics are those of all query images of an episode together: the evaluation
/// is transductive. Throws EvaluationStopped, and std::runtime_error where parameters, logits or losses are
/// not finite after some inner step.
run::EpisodeCurves evaluate_episodes(const bilevel::Learner& learner, const at::Tensor& theta,
                                     const episode::EpisodeSampler& sampler,
                                     const EvaluationRequest& request);

/// As evaluate_episodes, of an ensemble: each of `thetas` [P] is adapted to an episode, and the class
/// probabilities of the query images, or their logits (EvaluationRequest::ensemble_mean), are the means of
/// those that the members give after as many inner steps.
run::EpisodeCurves evaluate_ensemble(const bilevel::Learner& learner, const std::vector<at::Tensor>& thetas,
                                     const episode::EpisodeSampler& sampler,
                                     const EvaluationRequest& request);

}  // namespace ufo::train
