#include "text.h"

#include <chrono>
#include <cmath>

#include <ufo/bilevel/meta_gradient.h>
#include <ufo/train/data_parallel.h>
#include <ufo/train/device.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/logging.h>
#include <ufo/train/trainer.h>

namespace ufo::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// One call of Trainer::run.
class Run {
 public:
  Run(const TrainerParts& parts, const RunOptions& options, const Checkpoint& start, double seconds_before)
      : parts_(parts),
        options_(options),
        engine_(parse_engine(options.engine)),
        state_(start),
        seconds_before_(seconds_before),
        batches_(parts.sampler, data::Split::train, options.outer.meta_batch,
                 static_cast<uint64_t>(start.step), share_of(options.outer.meta_batch, parts.communicator)) {
    state_.parameters = start.parameters.detach().clone();
    if (start.step > 0) {
      parts.optimizer.load_state(start.optimizer);
      parts.estimator.restore(start.estimator_state);
    }
    state_.optimizer = parts.optimizer.state();
  }

  TrainingResult run() {
    while (state_.step < options_.outer.steps) {
      outer_step();
      const bool last = state_.step == options_.outer.steps;
      const bool stop = parts_.should_stop && parts_.should_stop();
      if (due(options_.validation.every, last)) {
        validate();
      }
      if (stop || due(options_.checkpoint_every, last)) {
        save(parts_.last);
      }
      if (last && options_.validation.every == 0) {
        save(parts_.best);
      }
      if (stop && !last) {
        return {TrainingStatus::interrupted, state_};
      }
    }
    return {TrainingStatus::finished, state_};
  }

 private:
  bool due(int64_t every, bool last) const { return every > 0 && (last || state_.step % every == 0); }

  void outer_step() {
    const auto start = Clock::now();
    const auto problem = make_problem(parts_.network, batches_.next(), state_.parameters, engine_);
    const double probability = parts_.estimator.exact_probability();
    const auto coins =
        bilevel::toss_coins(static_cast<uint64_t>(options_.seed), static_cast<uint64_t>(state_.step),
                            options_.outer.meta_batch, probability);
    auto estimate = bilevel::estimate_meta_gradient(problem, state_.parameters, parts_.estimator,
                                                    share_of(coins, parts_.communicator));
    combine(estimate, parts_.communicator);
    const double norm = gradient_norm(estimate.gradient);
    const bool finite = std::isfinite(norm) && std::isfinite(estimate.loss);
    if (finite) {
      clip_gradient(estimate.gradient, options_.outer.clip_value, options_.outer.clip_norm);
      parts_.optimizer.step(state_.parameters, estimate.gradient);
      parts_.estimator.observe(estimate);
      state_.estimator_state = parts_.estimator.state();
      ++state_.step;
    }

    MetricRecord record{.step = finite ? state_.step : state_.step + 1,
                        .split = data::Split::train,
                        .loss = estimate.loss,
                        .accuracy = estimate.accuracy,
                        .gradient_norm = norm,
                        .tasks_per_second = static_cast<double>(estimate.tasks) / seconds_since(start),
                        .seconds = seconds(),
                        .coins = {},
                        .gradient_calls = estimate.gradient_calls,
                        .hessian_products = estimate.hessian_products};
    if (options_.meta_gradient.estimator == "ufo") {
      record.coins = {.probability = probability,
                      .heads = estimate.exact_tasks,
                      .bias_squared = estimate.bias_squared,
                      .norm_squared = estimate.norm_squared,
                      .means = parts_.estimator.moments()};
    }
    report(record);
    if (!finite) {
      refuse_to_go_on(record);
    }
  }

  /// Episodes 0 to tasks - 1, the same every time. A tie goes to the earlier step.
  void validate() {
    const auto start = Clock::now();
    const EvaluationRequest request{
        .split = data::Split::validation,
        .tasks = options_.validation.tasks,
        .inner = {.steps = options_.validation.inner_steps, .learning_rate = options_.inner.learning_rate},
        .engine = engine_};
    const auto curves = evaluate_episodes(parts_.network, state_.parameters, parts_.validation_sampler,
                                          request, parts_.communicator);
    const double accuracy = mean(curves.accuracy.back());
    report({.step = state_.step,
            .split = data::Split::validation,
            .loss = mean(curves.loss.back()),
            .accuracy = accuracy,
            .tasks_per_second = static_cast<double>(request.tasks) / seconds_since(start),
            .seconds = seconds()});
    if (std::isnan(state_.best_accuracy) || accuracy > state_.best_accuracy) {
      state_.best_accuracy = accuracy;
      state_.best_step = state_.step;
      save(parts_.best);
    }
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
    flush();
    save_checkpoint(path, state_, parts_.network.layout());
    log(LogLevel::debug, "step " + std::to_string(state_.step) + ": saved " + path.string());
  }

  void report(const MetricRecord& record) {
    for (MetricSink* sink : parts_.sinks) {
      sink->record(record);
    }
  }

  void flush() {
    for (MetricSink* sink : parts_.sinks) {
      sink->flush();
    }
  }

  double seconds() const { return seconds_before_ + seconds_since(start_); }

  [[noreturn]] void refuse_to_go_on(const MetricRecord& record) {
    flush();
    const char* what = std::isfinite(record.loss) ? "gradient" : "loss";
    throw std::runtime_error(text(
        "step %lld: the %s is not finite (loss %g, gradient norm %g): try a smaller inner.learning_rate or "
        "outer.learning_rate, or outer.clip_norm; the checkpoints are those of earlier steps",
        static_cast<long long>(record.step), what, std::abs(record.loss), std::abs(record.gradient_norm)));
  }

  const TrainerParts& parts_;
  const RunOptions& options_;
  bilevel::Engine engine_;
  Checkpoint state_;
  double seconds_before_;
  Clock::time_point start_ = Clock::now();
  episode::EpisodePrefetcher batches_;
};

}  // namespace

Trainer::Trainer(TrainerParts parts, RunOptions options)
    : parts_(std::move(parts)), options_(std::move(options)) {}

TrainingResult Trainer::run(const Checkpoint& start, double seconds_before) {
  return Run(parts_, options_, start, seconds_before).run();
}

}  // namespace ufo::train
