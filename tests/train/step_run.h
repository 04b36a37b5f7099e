#pragma once

#include "../../src/train/outer_step.h"
#include "small_run.h"

#include <string>
#include <vector>

#include <ufo/train/device.h>

namespace ufo::train {

/// Some outer steps outside a Trainer.
struct StepRun {
  at::Tensor theta;
  std::vector<StepResult> results;
};

enum class StepKind { host, device };

/// Takes steps `first` to `last` - 1 of `run` from `theta` [P] (not changed) and `optimizer_state`, which is
/// left as the last step leaves it; a rank of `communicator`'s takes its share of the tasks.
inline StepRun take_steps(SmallRun& run, StepKind kind, const at::Tensor& theta, int64_t first, int64_t last,
                          std::map<std::string, at::Tensor>* optimizer_state = nullptr,
                          Communicator& communicator = single_process()) {
  StepRun taken{.theta = theta.clone(), .results = {}};
  const auto estimator = bilevel::make_estimator(run.options.meta_gradient, run.options.inner);
  bilevel::Coin coin = make_coin(run.options.meta_gradient, *estimator);
  const auto optimizer = make_outer_optimizer(run.options.outer, taken.theta);
  if (optimizer_state != nullptr && !optimizer_state->empty()) {
    optimizer->load_state(*optimizer_state);
  }
  const TrainerParts parts{.sampler = *run.sampler,
                           .validation_sampler = *run.validation_sampler,
                           .learner = run.learner(theta.options()),
                           .estimator = *estimator,
                           .coin = coin,
                           .optimizer = *optimizer,
                           .communicator = communicator,
                           .make_graph_pool = graph_pool_maker(theta.device())};
  const episode::DeviceImages images(run.dataset, theta.device());
  const auto steps = kind == StepKind::host ? make_host_step(parts, run.options, taken.theta, first)
                                            : make_device_step(parts, run.options, taken.theta, images);
  const auto take = [&](Wait wait) {
    for (StepResult& result : steps->results(wait)) {
      coin.observe(result.estimate);
      taken.results.push_back(std::move(result));
    }
  };
  for (int64_t step = first; step < last; ++step) {
    steps->begin(step, coin.toss(static_cast<uint64_t>(run.options.seed), static_cast<uint64_t>(step),
                                 run.options.outer.meta_batch));
    take(run.options.meta_gradient.q.adaptive ? Wait::yes : Wait::no);
  }
  take(Wait::yes);
  if (optimizer_state != nullptr) {
    for (const auto& [name, tensor] : optimizer->state()) {
      (*optimizer_state)[name] = tensor.clone();
    }
  }
  return taken;
}

inline double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.cpu() - b.cpu()).abs().max().item<double>();
}

}  // namespace ufo::train
