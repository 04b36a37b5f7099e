#include "cuda/replay.h"
#include "device_log.h"
#include "outer_step.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/train/device.h>
#include <ufo/train/distributed/data_parallel.h>
#include <ufo/train/schedule.h>

namespace ufo::train {
namespace {

/// A graph can hold what autograd does not take part in: its own threads cannot be recorded.
bool can_be_recorded(const TrainerParts& parts, const run::RunOptions& options) {
  return options.engine != bilevel::Engine::autograd &&
         parts.learner.network.batch_norm_mode() != nn::BatchNorm::support;
}

std::unique_ptr<GraphPool> make_pool(const TrainerParts& parts, const run::RunOptions& options) {
  const bool wanted = options.cuda_graph && parts.make_graph_pool && can_be_recorded(parts, options);
  return wanted ? parts.make_graph_pool() : nullptr;
}

/// The numbers of exact tasks that there is a graph for: any other is rounded up to one of them.
std::vector<int64_t> exact_task_counts(int64_t tasks) {
  std::vector<int64_t> counts = {0};
  for (int64_t count = 1; count < tasks; count *= 2) {
    counts.push_back(count);
  }
  counts.push_back(tasks);
  return counts;
}

/// The probability that `exact_tasks` of `tasks` coins fall on the exact branch, each with probability q.
double probability_of(int64_t exact_tasks, int64_t tasks, double q) {
  if (q == 0 || q == 1) {
    return exact_tasks == (q == 0 ? 0 : tasks) ? 1 : 0;
  }
  const auto n = static_cast<double>(tasks), k = static_cast<double>(exact_tasks);
  return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(q) +
                  (n - k) * std::log1p(-q));
}

/// All work of a step is launched on the current stream and nothing waits for it: indices and the weights of
/// the exact tasks go to the device, where the images lie; numbers for the log come back when they are there.
/// The sums over the tasks are one graph for each of a few numbers of exact tasks, the step of theta is
/// another; between the two, processes add up their sums.
class DeviceStep final : public OuterStep {
 public:
  DeviceStep(const TrainerParts& parts, const run::RunOptions& options, const at::Tensor& theta,
             const episode::DeviceImages& images)
      : parts_(parts),
        options_(options),
        theta_(theta),
        engine_(options.engine),
        share_(share_of(options.outer.meta_batch, parts.communicator)),
        counts_(exact_task_counts(share_.count)),
        images_(images),
        sums_(at::zeros({theta.size(0) + kGradientNorm}, theta.options())),
        gradient_(sums_.narrow(0, 0, theta.size(0))),
        scalars_(sums_.narrow(0, theta.size(0), kGradientNorm)),
        numbers_(at::zeros({kNumbers}, theta.options().dtype(at::kDouble))),
        skip_(at::zeros({}, theta.options().dtype(at::kFloat))),
        recorder_(make_pool(parts, options)),
        move_([this] { move_theta(); }, recorder_),
        log_(theta.device(), options.log_every) {
    if (bilevel::adapts_q(options.meta_gradient) &&
        options.meta_gradient.q_cost == bilevel::CostUnit::seconds && !theta.is_cpu()) {
      throw ConfigError(
          "meta_gradient.q_cost: need gradient_calls on a CUDA device, whose tasks run all at once, got "
          "seconds");
    }
  }

  void begin(int64_t step, const bilevel::Coins& coins) override {
    const double q = coins.probability;
    const bilevel::Coins own_coins = share_of(coins, parts_.communicator);
    const int64_t own_exact = own_coins.exact_tasks();
    send_indices(step, own_coins);
    send_weights(own_exact, q);
    const at::Tensor outer = outer_weights(options_.outer, options_.inner.steps, step);
    if (outer.defined()) {
      send(outer.to(theta_.scalar_type()), outer_weights_);
    } else {
      prepare_likely_sums(q);
    }
    sum_with(own_exact, q, outer.defined())();
    if (parts_.communicator.size() > 1) {
      parts_.communicator.all_reduce(sums_, Reduction::sum);
    }
    move_();
    log_.add(known(step, coins), numbers_);
  }

  std::vector<StepResult> results(Wait wait) override { return log_.take(wait); }

 private:
  /// What the graphs of the sums differ in.
  struct Sums {
    int64_t exact_tasks;  ///< those of the first so many tasks that have a weight
    bool all_exact;       ///< q = 1: no weights at all
    bool multi_step;      ///< the outer objective counts after every inner step
    auto operator<=>(const Sums&) const = default;
  };

  /// Puts `from` into `to`, in the same memory each time.
  void send(const at::Tensor& from, at::Tensor& to) const {
    if (!to.defined()) {
      to = from.to(theta_.device());
    } else {
      to.copy_(theta_.is_cpu() ? from : from.pin_memory(), /*non_blocking=*/true);
    }
  }

  void send_indices(int64_t step, const bilevel::Coins& coins) {
    const auto first = static_cast<uint64_t>(step) * static_cast<uint64_t>(options_.outer.meta_batch) +
                       static_cast<uint64_t>(share_.first);
    const auto drawn = parts_.sampler.indices(data::Split::train, first, share_.count);
    const at::Tensor order = at::tensor(coins.exact_first(), at::kLong);
    const auto send_ordered = [&](const at::Tensor& from, at::Tensor& to) {
      if (from.defined()) {
        send(from.index_select(0, order), to);
      }
    };
    send_ordered(drawn.images, indices_.images);
    send_ordered(drawn.quarter_turns, indices_.quarter_turns);
    send_ordered(drawn.augmentation, indices_.augmentation);
    send_ordered(drawn.labels, indices_.labels);
  }

  void send_weights(int64_t exact_tasks, double q) {
    at::Tensor weights = at::zeros({share_.count}, theta_.options().device(at::kCPU));
    weights.narrow(0, 0, exact_tasks).fill_(1 / q);
    send(weights, weights_);
  }

  Sums sums_of(int64_t exact_tasks, double q, bool multi_step = false) const {
    return {.exact_tasks = *std::lower_bound(counts_.begin(), counts_.end(), exact_tasks),
            .all_exact = q == 1,
            .multi_step = multi_step};
  }

  Replay& sum_with(int64_t exact_tasks, double q, bool multi_step = false) {
    const Sums which = sums_of(exact_tasks, q, multi_step);
    return sum_replays_
        .try_emplace(
            which, [this, which] { sum(which); }, recorder_)
        .first->second;
  }

  /// Records what the coins of q ask for now and then before it is needed, so that hardly a step is done call
  /// by call.
  void prepare_likely_sums(double q) {
    constexpr double kNowAndThen = 0.01;
    if (std::exchange(prepared_, true) || !recorder_.records()) {
      return;
    }
    std::map<Sums, double> probabilities;
    for (int64_t exact_tasks = 0; exact_tasks <= share_.count; ++exact_tasks) {
      probabilities[sums_of(exact_tasks, q)] += probability_of(exact_tasks, share_.count, q);
    }
    for (const auto& [which, probability] : probabilities) {
      if (probability > kNowAndThen) {
        sum_with(which.exact_tasks, q).prepare();
      }
    }
  }

  void sum(const Sums& which) {
    const auto batch = images_.gather(indices_, parts_.sampler.options());
    auto problem = make_problem(parts_.learner, batch, theta_, engine_);
    if (which.multi_step) {
      problem.weigh_outer(outer_weights_);
    }
    const auto sums = bilevel::launch_meta_gradient_sums(
        problem, theta_, parts_.estimator,
        {.count = which.exact_tasks,
         .weights = which.all_exact ? at::Tensor() : weights_.narrow(0, 0, which.exact_tasks)});
    gradient_.copy_(sums.gradient);
    scalars_.copy_(sums.scalars);
  }

  /// From the sums over all tasks.
  void move_theta() {
    gradient_.div_(static_cast<double>(options_.outer.meta_batch));
    const at::Tensor adam = parts_.learner.adam->take_from(gradient_);
    const at::Tensor norm = gradient_norm(gradient_);
    numbers_.copy_(at::cat({scalars_.to(at::kDouble), norm.unsqueeze(0)}));
    const at::Tensor finite = norm.isfinite().logical_and(scalars_[bilevel::DeviceSums::kLoss].isfinite());
    skip_.copy_(at::maximum(skip_, finite.logical_not().to(at::kFloat)));
    clip_gradient(gradient_, options_.outer.clip_value, options_.outer.clip_norm);
    parts_.optimizer.step(theta_, gradient_, skip_);
    parts_.learner.rates->project(theta_);
    parts_.learner.adam->put_into(theta_, adam, skip_);
  }

  StepResult known(int64_t step, const bilevel::Coins& coins) const {
    StepResult result{.step = step, .estimate = {}, .probability = coins.probability};
    bilevel::MetaGradient& estimate = result.estimate;
    estimate.tasks = options_.outer.meta_batch;
    estimate.exact_tasks = coins.exact_tasks();
    for (const bool exact : {false, true}) {
      const int64_t tasks = exact ? estimate.exact_tasks : estimate.tasks - estimate.exact_tasks;
      const bilevel::BranchWork work = parts_.estimator.work(exact);
      estimate.gradient_calls += tasks * work.gradient_calls;
      estimate.hessian_products += tasks * work.hessian_products;
    }
    if (outer_weights(options_.outer, options_.inner.steps, step).defined()) {
      estimate.gradient_calls += estimate.tasks * (options_.inner.steps - 1);
    }
    return result;
  }

  const TrainerParts& parts_;
  const run::RunOptions& options_;
  at::Tensor theta_;
  bilevel::Engine engine_;
  episode::TaskRange share_;
  std::vector<int64_t> counts_;  ///< of exact tasks, ascending
  const episode::DeviceImages& images_;
  episode::EpisodeIndices indices_;  ///< of the step's own tasks, on the device, exact ones first
  at::Tensor weights_;               ///< [tasks] xi / q of each
  at::Tensor outer_weights_;         ///< [r] of the outer objective after each inner step
  at::Tensor sums_;                  ///< [P + kGradientNorm]: the two below, added up by one call
  at::Tensor gradient_;              ///< [P], the sum over the tasks, then the mean
  at::Tensor scalars_;               ///< [kGradientNorm] over the tasks
  at::Tensor numbers_;               ///< [kNumbers]
  at::Tensor skip_;                  ///< 1 from the first step on that was not finite
  Recorder recorder_;
  std::map<Sums, Replay> sum_replays_;
  bool prepared_ = false;
  Replay move_;
  DeviceLog log_;
};

}  // namespace

std::unique_ptr<OuterStep> make_device_step(const TrainerParts& parts, const run::RunOptions& options,
                                            const at::Tensor& theta, const episode::DeviceImages& images) {
  return std::make_unique<DeviceStep>(parts, options, theta, images);
}

}  // namespace ufo::train
