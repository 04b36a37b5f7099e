#include "outer_step.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <ufo/base/logging.h>
#include <ufo/base/reason.h>
#include <ufo/base/text.h>
#include <ufo/run/best_checkpoints.h>
#include <ufo/train/device.h>
#include <ufo/train/distributed/data_parallel.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/schedule.h>
#include <ufo/train/trainer.h>

namespace ufo::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Sends work for a device to a stream of its own: the default one cannot be recorded into a graph.
class OwnStream {
 public:
  explicit OwnStream(at::Device device) : device_(device) {
    if (!device.is_cpu()) {
      const c10::impl::VirtualGuardImpl streams(device.type());
      guard_.emplace(streams.getStreamFromGlobalPool(device));
      streams.synchronizeDevice(device.index());  // for what was begun on the default stream
    }
  }
  ~OwnStream() {
    if (!guard_) {
      return;
    }
    try {
      c10::impl::VirtualGuardImpl(device_.type()).synchronizeDevice(device_.index());
    } catch (const std::exception& error) {  // what had to be read from the device has been
      log(LogLevel::warning, "the device failed at its last work: " + reason(error));
    }
  }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;

 private:
  at::Device device_;
  std::optional<c10::StreamGuard> guard_;
};

/// One call of Trainer::run.
class Run {
 public:
  Run(const TrainerParts& parts, const run::RunOptions& options, const run::Checkpoint& start,
      double seconds_before)
      : parts_(parts),
        options_(options),
        engine_(options.engine),
        state_(start),
        seconds_before_(seconds_before),
        stream_(start.parameters.device()) {
    state_.parameters = start.parameters.detach().clone();
    if (start.step > 0) {
      parts.optimizer.load_state(start.optimizer);
      parts.coin.restore(start.estimator_state);
    }
    state_.optimizer = parts.optimizer.state();
    if (start.parameters.is_cpu()) {
      outer_step_ = make_host_step(parts_, options_, state_.parameters, start.step);
    } else {
      images_.emplace(parts.sampler.dataset(), start.parameters.device());
      outer_step_ = make_device_step(parts_, options_, state_.parameters, *images_);
    }
  }

  TrainingResult run() {
    if (state_.validation_due) {
      if (!validate(false)) {
        return interrupted();
      }
      save(parts_.last);
    }
    while (!over()) {
      begin_step();
      const bool last = over();
      const bool stop = parts_.should_stop && parts_.should_stop();
      const bool validates = due(options_.validation.every, last);
      const bool saves = stop || due(options_.checkpoint_every, last);
      const Wait wait = validates || saves || parts_.coin.takes_q_anew(state_.step) ? Wait::yes : Wait::no;
      for (const StepResult& result : outer_step_->results(wait)) {
        take(result);
      }
      if (validates && !validate(stop)) {
        return interrupted();
      }
      if (last && options_.validation.every == 0) {
        save(parts_.best);
      }
      if (saves) {
        save(parts_.last);
        remove_what_is_outranked();
      }
      if (stop && !last) {
        return {TrainingStatus::interrupted, state_};
      }
    }
    remove_what_is_outranked();  // a run that was killed at its very end has no step left to do it
    return {TrainingStatus::finished, state_};
  }

 private:
  bool over() const { return run_is_over(options_.outer, state_.step, state_.gradient_calls); }

  /// Begins the next step, with the learning rate and the q that are due, and adds its price.
  void begin_step() {
    const double progress = run_progress(options_.outer, state_.step, state_.gradient_calls);
    parts_.coin.set_progress(progress);
    parts_.optimizer.set_learning_rate(outer_learning_rate(options_.outer, state_.step, progress));
    parts_.coin.begin(state_.step);
    const bilevel::Coins coins = parts_.coin.toss(
        static_cast<uint64_t>(options_.seed), static_cast<uint64_t>(state_.step), options_.outer.meta_batch);
    const auto exact = static_cast<double>(coins.exact_tasks());
    const auto others = static_cast<double>(coins.tasks()) - exact;
    outer_step_->begin(state_.step, coins);
    ++state_.step;
    state_.gradient_calls +=
        exact * parts_.estimator.work(true).cost + others * parts_.estimator.work(false).cost;
  }

  bool due(int64_t every, bool last) const { return every > 0 && (last || state_.step % every == 0); }

  /// Saves a run that ends before the validation of its step.
  TrainingResult interrupted() {
    state_.validation_due = true;
    save(parts_.last);
    return {TrainingStatus::interrupted, state_};
  }

  /// Takes note of what a step gave.
  void take(const StepResult& result) {
    const bilevel::MetaGradient& estimate = result.estimate;
    if (result.finite()) {
      parts_.coin.observe(estimate);
      state_.estimator_state = parts_.coin.state();
    }
    run::MetricRecord record{
        .step = result.step + 1,
        .split = data::Split::train,
        .loss = estimate.loss,
        .accuracy = estimate.accuracy,
        .gradient_norm = result.gradient_norm,
        .tasks_per_second = static_cast<double>(estimate.tasks) / result.seconds,
        .seconds = seconds(),
        .coins = {},
        .gradient_calls = estimate.gradient_calls,
        .hessian_products = estimate.hessian_products,
        .share_of_run = run_progress(options_.outer, result.step + 1, state_.gradient_calls)};
    if (bilevel::tosses_coins(options_.meta_gradient)) {
      record.coins = {.probability = result.probability,
                      .exact_tasks = estimate.exact_tasks,
                      .bias_squared = estimate.bias_squared,
                      .norm_squared = estimate.norm_squared,
                      .means = parts_.coin.moments()};
    }
    report(record);
    if (!result.finite()) {
      refuse_to_go_on(record);
    }
  }

  /// Episodes 0 to tasks - 1, the same every time. False where the run is to stop first.
  bool validate(bool stop) {
    const auto start = Clock::now();
    const EvaluationRequest request{
        .split = data::Split::validation,
        .tasks = options_.validation.tasks,
        .inner = {.steps = options_.validation.inner_steps, .learning_rate = options_.inner.learning_rate},
        .engine = engine_,
        .images = images_for(parts_.validation_sampler),
        .should_stop = [&] {
          return parts_.breaks_off_validation && (stop || parts_.breaks_off_validation());
        }};
    run::EpisodeCurves curves;
    try {
      curves = evaluate_episodes(parts_.validation_learner ? *parts_.validation_learner : parts_.learner,
                                 state_.parameters, parts_.validation_sampler, request, parts_.communicator);
    } catch (const EvaluationStopped&) {
      return false;
    }
    state_.validation_due = false;
    const double accuracy = mean(curves.accuracy.back());
    report({.step = state_.step,
            .split = data::Split::validation,
            .loss = mean(curves.loss.back()),
            .accuracy = accuracy,
            .tasks_per_second = static_cast<double>(request.tasks) / seconds_since(start),
            .seconds = seconds(),
            .inner_rates = parts_.learner.rates->named(state_.parameters)});
    const run::Validated validated{.step = state_.step, .accuracy = accuracy};
    if (!run::insert_ranked(state_.best, validated, static_cast<size_t>(options_.validation.keep))) {
      return true;
    }
    if (keeps_several()) {
      save(run::kept_checkpoint(parts_.best, state_.step));
    }
    if (state_.best.front() == validated) {
      save(parts_.best);
    }
    return true;
  }

  /// The images on the device, where they are those of `sampler`.
  const episode::DeviceImages* images_for(const episode::EpisodeSampler& sampler) const {
    return images_ && &sampler.dataset() == &parts_.sampler.dataset() ? &*images_ : nullptr;
  }

  static double mean(const std::vector<double>& values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    return sum / static_cast<double>(values.size());
  }

  void save(const std::filesystem::path& path) {
    check_equal(state_.parameters, "the parameters", parts_.communicator);
    if (parts_.communicator.rank() > 0) {
      return;
    }
    if (parts_.before_save) {
      parts_.before_save();
    }
    flush();
    run::save_checkpoint(path, state_, parts_.learner.layout());
    log(LogLevel::debug, "step " + std::to_string(state_.step) + ": saved " + path.string());
  }

  bool keeps_several() const { return options_.validation.keep > 1; }

  /// To be called when `last` has just been saved.
  void remove_what_is_outranked() {
    if (keeps_several() && parts_.communicator.rank() == 0) {
      run::remove_outranked(parts_.best, state_.best);
    }
  }

  void report(const run::MetricRecord& record) {
    for (run::MetricSink* sink : parts_.sinks) {
      sink->record(record);
    }
  }

  void flush() {
    for (run::MetricSink* sink : parts_.sinks) {
      sink->flush();
    }
  }

  double seconds() const { return seconds_before_ + seconds_since(start_); }

  [[noreturn]] void refuse_to_go_on(const run::MetricRecord& record) {
    flush();
    const char* what = std::isfinite(record.loss) ? "gradient" : "loss";
    throw std::runtime_error(text(
        "step %lld: the %s is not finite (loss %g, gradient norm %g): try a smaller inner.learning_rate or "
        "outer.learning_rate, or outer.clip_norm; the checkpoints are those of earlier steps",
        static_cast<long long>(record.step), what, std::abs(record.loss), std::abs(record.gradient_norm)));
  }

  const TrainerParts& parts_;
  const run::RunOptions& options_;
  bilevel::Engine engine_;
  run::Checkpoint state_;
  double seconds_before_;
  Clock::time_point start_ = Clock::now();
  OwnStream stream_;
  std::optional<episode::DeviceImages> images_;  ///< where it trains on a device
  std::unique_ptr<OuterStep> outer_step_;
};

}  // namespace

Trainer::Trainer(TrainerParts parts, run::RunOptions options)
    : parts_(std::move(parts)), options_(std::move(options)) {}

TrainingResult Trainer::run(const run::Checkpoint& start, double seconds_before) {
  return Run(parts_, options_, start, seconds_before).run();
}

}  // namespace ufo::train
