#include "outer_step.h"

#include <chrono>
#include <utility>

#include <ufo/train/device.h>
#include <ufo/train/distributed/data_parallel.h>
#include <ufo/train/schedule.h>

namespace ufo::train {
namespace {

/// While a step computes, the next meta-batch is drawn in a thread beside it.
class HostStep final : public OuterStep {
 public:
  HostStep(const TrainerParts& parts, const run::RunOptions& options, const at::Tensor& theta, int64_t first)
      : parts_(parts),
        options_(options),
        theta_(theta),
        engine_(options.engine),
        batches_(parts.sampler, data::Split::train, options.outer.meta_batch, static_cast<uint64_t>(first),
                 share_of(options.outer.meta_batch, parts.communicator)) {}

  void begin(int64_t step, const bilevel::Coins& coins) override {
    const auto start = std::chrono::steady_clock::now();
    auto problem = make_problem(parts_.learner, batches_.next(), theta_, engine_);
    if (const at::Tensor weights = outer_weights(options_.outer, options_.inner.steps, step);
        weights.defined()) {
      problem.weigh_outer(weights.to(theta_.options()));
    }
    bilevel::MetaGradientSums sums =
        bilevel::sum_meta_gradients(problem, theta_, parts_.estimator, share_of(coins, parts_.communicator));
    combine(sums, parts_.communicator);
    StepResult result{.step = step, .estimate = sums.mean(), .probability = coins.probability};
    const at::Tensor adam = parts_.learner.adam->take_from(result.estimate.gradient);
    result.gradient_norm = gradient_norm(result.estimate.gradient).item<double>();
    if (result.finite()) {
      clip_gradient(result.estimate.gradient, options_.outer.clip_value, options_.outer.clip_norm);
      parts_.optimizer.step(theta_, result.estimate.gradient);
      parts_.learner.rates->project(theta_);
      parts_.learner.adam->put_into(theta_, adam);
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    done_.push_back(std::move(result));
  }

  std::vector<StepResult> results(Wait) override { return std::exchange(done_, {}); }

 private:
  const TrainerParts& parts_;
  const run::RunOptions& options_;
  at::Tensor theta_;
  bilevel::Engine engine_;
  episode::EpisodePrefetcher batches_;
  std::vector<StepResult> done_;
};

}  // namespace

std::unique_ptr<OuterStep> make_host_step(const TrainerParts& parts, const run::RunOptions& options,
                                          const at::Tensor& theta, int64_t first) {
  return std::make_unique<HostStep>(parts, options, theta, first);
}

}  // namespace ufo::train
