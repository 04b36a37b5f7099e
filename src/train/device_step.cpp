#include "cuda/replay.h"
#include "outer_step.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <map>
#include <optional>

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <ufo/base/error.h>
#include <ufo/train/device.h>
#include <ufo/train/distributed/data_parallel.h>

namespace ufo::train {
namespace {

using Clock = std::chrono::steady_clock;

/// What a step leaves on the device for the log: sums over all tasks, and the gradient's norm. The first four
/// are MetaGradientSums::scalars.
enum Number : int64_t {
  kLoss,
  kAccuracy,
  kBiasSquared,
  kNormSquared,
  kMeasured,
  kGradientCalls,
  kHessianProducts,
  kGradientNorm,
  kNumbers
};

/// Some steps in a row, whose numbers come to the host together.
struct Block {
  std::vector<StepResult> steps;   ///< all that the host knows of them
  at::Tensor numbers;              ///< [steps, kNumbers] in host memory, filled by the device
  std::optional<c10::Event> done;  ///< once all its steps are begun
};

/// A graph can hold what autograd does not take part in (its own threads cannot be recorded), and numbers
/// that never change.
Replay::Mode replay_mode(const TrainerParts& parts, const run::RunOptions& options, at::Device device) {
  const bool by_hand = parse_engine(options.engine) == bilevel::Engine::hand_written &&
                       parts.network.batch_norm_mode() != nn::BatchNorm::support;
  return device.is_cuda() && options.cuda_graph && by_hand && !adapts_q(options) ? Replay::Mode::recorded
                                                                                 : Replay::Mode::as_it_is;
}

/// All work of a step is launched on the current stream and nothing waits for it: indices go to the device,
/// where the images lie; numbers for the log come back when they are there. The work on a given number of
/// exact tasks is one graph, the step of theta another; between the two, processes add up their sums.
class DeviceStep final : public OuterStep {
 public:
  DeviceStep(const TrainerParts& parts, const run::RunOptions& options, const at::Tensor& theta)
      : parts_(parts),
        options_(options),
        theta_(theta),
        engine_(parse_engine(options.engine)),
        mode_(replay_mode(parts, options, theta.device())),
        share_(share_of(options.outer.meta_batch, parts.communicator)),
        images_(parts.sampler.dataset(), theta.device()),
        gradient_(at::zeros_like(theta)),
        sums_(at::zeros({kGradientNorm}, theta.options().dtype(at::kDouble))),
        numbers_(at::zeros({kNumbers}, theta.options().dtype(at::kDouble))),
        skip_(at::zeros({}, theta.options().dtype(at::kFloat))),
        move_([this] { move_theta(); }, mode_) {
    if (adapts_q(options) && options.meta_gradient.q_cost == "seconds" && theta.is_cuda()) {
      throw ConfigError(
          "meta_gradient.q_cost: need gradient_calls on a CUDA device, whose tasks run all at once, got "
          "seconds");
    }
  }

  void begin(int64_t step) override {
    const double probability = parts_.estimator.exact_probability();
    const auto coins = coins_of(options_, step, probability);
    const auto own_coins = share_of(coins, parts_.communicator);
    send_indices(step, own_coins);
    estimate_with(std::count(own_coins.begin(), own_coins.end(), true))();
    if (parts_.communicator.size() > 1) {
      parts_.communicator.all_reduce(gradient_, Reduction::sum);
      parts_.communicator.all_reduce(sums_, Reduction::sum);
    }
    move_();
    keep(step, probability, coins);
  }

  std::vector<StepResult> results(Wait wait) override {
    if (wait == Wait::yes && !blocks_.empty()) {
      close(blocks_.back());
    }
    std::vector<StepResult> results;
    // Two blocks at most are on their way, so that the host never runs far ahead.
    while (!blocks_.empty() && (wait == Wait::yes || blocks_.size() > 2 || is_done(blocks_.front()))) {
      take(blocks_.front(), results);
      blocks_.pop_front();
    }
    return results;
  }

 private:
  void send_indices(int64_t step, const std::vector<bool>& coins) {
    const auto first = static_cast<uint64_t>(step) * static_cast<uint64_t>(options_.outer.meta_batch) +
                       static_cast<uint64_t>(share_.first);
    const auto drawn = parts_.sampler.indices(data::Split::train, first, share_.count);
    const at::Tensor order = at::tensor(bilevel::exact_first(coins), at::kLong);
    const auto send = [&](const at::Tensor& from, at::Tensor& to) {
      if (!from.defined()) {
        return;
      }
      const at::Tensor ordered = from.index_select(0, order);
      if (!to.defined()) {
        to = ordered.to(theta_.device());
      } else {
        to.copy_(theta_.is_cuda() ? ordered.pin_memory() : ordered, /*non_blocking=*/true);
      }
    };
    send(drawn.images, indices_.images);
    send(drawn.quarter_turns, indices_.quarter_turns);
    send(drawn.augmentation, indices_.augmentation);
  }

  /// The work on meta-batches whose first `exact_tasks` tasks take the exact branch.
  Replay& estimate_with(int64_t exact_tasks) {
    const auto work = [this, exact_tasks] { estimate(exact_tasks); };
    return estimates_.try_emplace(exact_tasks, work, mode_).first->second;
  }

  void estimate(int64_t exact_tasks) {
    std::vector<bool> coins(static_cast<size_t>(share_.count));
    std::fill_n(coins.begin(), exact_tasks, true);
    const auto batch = images_.gather(indices_, parts_.sampler.options());
    const auto problem = make_problem(parts_.network, batch, theta_, engine_);
    const auto sums = bilevel::sum_meta_gradients(problem, theta_, parts_.estimator, coins);
    gradient_.copy_(sums.gradient);
    sums_.narrow(0, kLoss, kMeasured).copy_(sums.scalars);
    sums_[kMeasured].fill_(sums.measured);
    sums_[kGradientCalls].fill_(sums.gradient_calls);
    sums_[kHessianProducts].fill_(sums.hessian_products);
  }

  /// From the sums over all tasks.
  void move_theta() {
    gradient_.div_(static_cast<double>(options_.outer.meta_batch));
    const at::Tensor norm = gradient_norm(gradient_);
    numbers_.copy_(at::cat({sums_, norm.unsqueeze(0)}));
    const at::Tensor finite = norm.isfinite().logical_and(sums_[kLoss].isfinite());
    skip_.copy_(at::maximum(skip_, finite.logical_not().to(at::kFloat)));
    clip_gradient(gradient_, options_.outer.clip_value, options_.outer.clip_norm);
    parts_.optimizer.step(theta_, gradient_, skip_);
  }

  /// Puts down what the host knows of a step, and has the device bring the rest.
  void keep(int64_t step, double probability, const std::vector<bool>& coins) {
    if (blocks_.empty() || blocks_.back().done) {
      const auto options = at::TensorOptions(at::kDouble).pinned_memory(theta_.is_cuda());
      blocks_.push_back({.numbers = at::empty({options_.log_every, kNumbers}, options)});
    }
    Block& block = blocks_.back();
    block.numbers[static_cast<int64_t>(block.steps.size())].copy_(numbers_, /*non_blocking=*/true);
    StepResult result{.step = step, .estimate = {}, .probability = probability};
    result.estimate.tasks = options_.outer.meta_batch;
    result.estimate.exact_tasks = std::count(coins.begin(), coins.end(), true);
    block.steps.push_back(std::move(result));
    if (static_cast<int64_t>(block.steps.size()) == options_.log_every) {
      close(block);
    }
  }

  void close(Block& block) {
    if (!block.done) {
      block.done.emplace(theta_.device().type());
      if (theta_.is_cuda()) {
        block.done->record(c10::impl::VirtualGuardImpl(theta_.device().type()).getStream(theta_.device()));
      }
    }
  }

  bool is_done(const Block& block) const { return block.done && (theta_.is_cpu() || block.done->query()); }

  void take(const Block& block, std::vector<StepResult>& results) {
    if (theta_.is_cuda()) {
      block.done->synchronize();
    }
    const auto now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - last_taken_).count();
    last_taken_ = now;
    const double* number = block.numbers.const_data_ptr<double>();
    const double tasks = static_cast<double>(options_.outer.meta_batch);
    const double none = std::numeric_limits<double>::quiet_NaN();
    for (size_t i = 0; i < block.steps.size(); ++i, number += kNumbers) {
      StepResult result = block.steps[i];
      const double measured = number[kMeasured];
      result.estimate.loss = number[kLoss] / tasks;
      result.estimate.accuracy = number[kAccuracy] / tasks;
      result.estimate.bias_squared = measured > 0 ? number[kBiasSquared] / measured : none;
      result.estimate.norm_squared = measured > 0 ? number[kNormSquared] / measured : none;
      result.estimate.gradient_calls = static_cast<int64_t>(number[kGradientCalls]);
      result.estimate.hessian_products = static_cast<int64_t>(number[kHessianProducts]);
      result.gradient_norm = number[kGradientNorm];
      result.seconds = seconds / static_cast<double>(block.steps.size());
      results.push_back(std::move(result));
    }
  }

  const TrainerParts& parts_;
  const run::RunOptions& options_;
  at::Tensor theta_;
  bilevel::Engine engine_;
  Replay::Mode mode_;
  episode::TaskRange share_;
  episode::DeviceImages images_;
  episode::EpisodeIndices indices_;      ///< of the step's own tasks, on the device, exact ones first
  at::Tensor gradient_;                  ///< [P], the sum over the tasks, then the mean
  at::Tensor sums_;                      ///< [kGradientNorm] over the tasks
  at::Tensor numbers_;                   ///< [kNumbers]
  at::Tensor skip_;                      ///< 1 from the first step on that was not finite
  std::map<int64_t, Replay> estimates_;  ///< by the number of exact tasks
  Replay move_;
  std::deque<Block> blocks_;
  Clock::time_point last_taken_ = Clock::now();
};

}  // namespace

std::unique_ptr<OuterStep> make_device_step(const TrainerParts& parts, const run::RunOptions& options,
                                            const at::Tensor& theta) {
  return std::make_unique<DeviceStep>(parts, options, theta);
}

}  // namespace ufo::train
