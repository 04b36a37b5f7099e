#include "cli/advice.h"

#include "cli/allocation_meter.h"

#include <algorithm>
#include <chrono>

#include <ufo/base/text.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/train/device.h>

namespace ufo::cli {
namespace {

using bilevel::Base;

/// The gradients of all tasks by one estimator, with what they took.
struct Measured {
  at::Tensor gradients;  ///< [T, P]
  double milliseconds = 0;
  int64_t tensor_bytes = 0;
  bilevel::BranchWork work;  ///< of a task
};

/// The tasks that every estimator is measured on.
class Bench {
 public:
  Bench(const train::Workspace& workspace, const at::Tensor& theta, int64_t tasks)
      : workspace_(workspace),
        theta_(theta),
        tasks_(tasks),
        problem_(train::make_problem(workspace.learner(),
                                     workspace.training_sampler().batch(data::Split::train, 0, tasks), theta,
                                     workspace.engine())) {}

  /// Measures the second of two estimates, with all tasks on one branch.
  Measured measure(const bilevel::EstimatorOptions& options, bool exact_branch) const {
    const auto estimator = workspace_.make_estimator(options);
    const auto coins = bilevel::Coins::all(tasks_, exact_branch);
    Measured measured{.work = estimator->work(exact_branch)};
    for (int repeat = 0; repeat < 2; ++repeat) {
      measured.gradients = at::Tensor();
      start_allocation_meter(workspace_.device());
      const auto start = std::chrono::steady_clock::now();
      measured.gradients =
          estimate_meta_gradient(problem_, theta_, *estimator, coins, bilevel::KeepTasks::yes).task_gradients;
      const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
      measured.milliseconds = time.count() / static_cast<double>(tasks_);
      measured.tensor_bytes = peak_tensor_bytes(workspace_.device());
    }
    return measured;
  }

 private:
  const train::Workspace& workspace_;
  at::Tensor theta_;
  int64_t tasks_;
  bilevel::ClassificationProblem problem_;
};

double mean_square(const at::Tensor& rows) {
  return rows.to(at::kDouble).square().sum(1).mean().item<double>();
}

Choice choice_of(const bilevel::EstimatorOptions& options, const Measured& measured, double left_out) {
  return {.options = options,
          .left_out = left_out,
          .second_moment = mean_square(measured.gradients),
          .gradient_calls = measured.work.cost,
          .milliseconds = measured.milliseconds,
          .tensor_bytes = measured.tensor_bytes};
}

/// Those of a network of `depth` blocks, or of its head where nothing else adapts.
std::vector<Base> all_bases(int64_t depth, bool head_alone) {
  std::vector<Base> bases = {Base::first_order()};
  for (int64_t blocks = 0; blocks < (head_alone ? 1 : depth); ++blocks) {  // all of them would be exact
    bases.push_back(Base::last(blocks));
  }
  return bases;
}

/// UFO on a base with the q that suits it, from what its two branches were measured to be.
Choice ufo_on(const BaseMoment& base, const Measured& own, const Measured& exact,
              const bilevel::EstimatorOptions& options, double norm_squared) {
  const double q = base.probability;
  Choice choice{.options = options};
  choice.options.q = {.value = q};
  choice.second_moment = norm_squared + (1 / q - 1) * base.bias_squared;
  const auto mixed = [&](double of_base, double of_exact) { return (1 - q) * of_base + q * of_exact; };
  choice.gradient_calls = mixed(own.work.cost, exact.work.cost);
  choice.milliseconds = mixed(own.milliseconds, exact.milliseconds);
  choice.tensor_bytes = std::max(own.tensor_bytes, exact.tensor_bytes);
  return choice;
}

void recommend(Advice& advice) {
  constexpr double kWorthIt = 0.9;  // what UFO's product must come to, of exact's
  const Choice* exact = nullptr;
  const Choice* best = nullptr;
  for (const Choice& choice : advice.choices) {
    if (!choice.unbiased()) {
      continue;
    }
    const bool is_exact = !bilevel::tosses_coins(choice.options);
    if (is_exact && (exact == nullptr || choice.gradient_calls < exact->gradient_calls)) {
      exact = &choice;
    }
    if (!is_exact && (best == nullptr || choice.variance_times_cost() < best->variance_times_cost())) {
      best = &choice;
    }
  }
  const double ratio = best->variance_times_cost() / exact->variance_times_cost();
  const bool takes_ufo = ratio < kWorthIt;
  advice.recommended = static_cast<size_t>((takes_ufo ? best : exact) - advice.choices.data());
  advice.reason =
      takes_ufo ? text("its variance times its cost is %.2f of exact's", ratio)
                : text("the best UFO's variance times its cost is %.2f of exact's, which is not worth a coin",
                       ratio);
}

}  // namespace

Advice advise(const train::Workspace& workspace, const at::Tensor& theta, int64_t tasks) {
  const Bench bench(workspace, theta, tasks);
  Advice advice{.tasks = tasks};
  bilevel::EstimatorOptions options = workspace.options().meta_gradient;
  const bilevel::Memory own_memory = options.memory;
  const auto with = [&](const char* estimator, Base base, bilevel::Memory memory) {
    bilevel::EstimatorOptions changed = options;
    changed.estimator = estimator;
    changed.base = base;
    changed.memory = memory;
    return changed;
  };
  Measured exact;
  for (const auto& [memory, word] : Words<bilevel::Memory>::table) {
    const auto exact_options = with("exact", Base::of_the_estimator(), memory);
    const Measured measured = bench.measure(exact_options, true);
    advice.choices.push_back(choice_of(exact_options, measured, 0));
    if (memory == own_memory) {
      exact = measured;
    }
  }
  advice.norm_squared = mean_square(exact.gradients);
  std::vector<Choice> ufos;
  for (const Base base : all_bases(workspace.network().layout().depth(), workspace.learner().body() > 0)) {
    const auto base_options = base.second_order() ? with("partial", base, own_memory)
                                                  : with("first_order", Base::of_the_estimator(), own_memory);
    const auto ufo_options = with("ufo", base, own_memory);
    const Measured measured = bench.measure(base_options, false), branch = bench.measure(ufo_options, true);
    const at::Tensor difference = measured.gradients - exact.gradients;
    const bilevel::BranchCosts costs{.first_order = measured.work.cost, .exact = branch.work.cost};
    BaseMoment moment{.base = base, .bias_squared = mean_square(difference)};
    moment.probability =
        bilevel::optimal_probability({moment.bias_squared, advice.norm_squared}, costs, options.q_minimum);
    moment.cost_ratio = (costs.exact - costs.first_order) / costs.first_order;
    advice.bases.push_back(moment);
    advice.choices.push_back(choice_of(base_options, measured, moment.bias_squared / advice.norm_squared));
    ufos.push_back(ufo_on(moment, measured, branch, ufo_options, advice.norm_squared));
  }
  advice.choices.insert(advice.choices.end(), ufos.begin(), ufos.end());
  recommend(advice);
  return advice;
}

}  // namespace ufo::cli
