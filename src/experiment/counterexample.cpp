#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/base/parallel.h>
#include <ufo/base/random.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/experiment/counterexample.h>

namespace ufo::experiment {
namespace {

constexpr int64_t kRecordsPerDecade = 20;
constexpr int64_t kLandscapePoints = 401;

at::Tensor number(double value) { return at::full({1}, value, at::kDouble); }

/// 0, and the powers of 10^(1/20) up to `last`, rounded, each once.
std::vector<int64_t> log_spaced_steps(int64_t last) {
  std::vector<int64_t> steps = {0};
  for (int64_t i = 0; steps.back() < last; ++i) {
    const double power = std::pow(10, static_cast<double>(i) / kRecordsPerDecade);
    const int64_t step = std::min(std::llround(power), static_cast<long long>(last));
    if (step > steps.back()) {
      steps.push_back(step);
    }
  }
  return steps;
}

/// Both tasks as one batch: the mean over its tasks is over all there are, so that it gives M itself.
class MetaObjective {
 public:
  explicit MetaObjective(const TwoTasks& tasks)
      : both_({tasks.bowls[0], tasks.bowls[1]}), inner_(tasks.inner) {}

  double value(double theta) const {
    const at::Tensor at = number(theta);
    return both_.outer_value(at, adapt(both_, at, inner_, inner_.steps)).loss.mean().item<double>();
  }

  double gradient(const at::Tensor& theta) const {
    return exact_gradient(both_, theta, inner_, bilevel::Memory::store_linearizations)
        .gradient.mean()
        .item<double>();
  }

 private:
  BowlProblem both_;
  bilevel::InnerOptions inner_;
};

/// What the runs share.
struct Setting {
  const CounterexampleOptions& options;
  const TwoTasks& tasks;
  const std::vector<int64_t>& recorded_steps;
};

/// SGD number `run`. Its start and its draws of tasks are the same for every estimator.
/// Adds its gradients (one a Hessian product counts twice) to `cost`.
SgdRun run_sgd(const Setting& setting, const bilevel::Estimator& estimator, const bilevel::Coin& coin,
               int64_t run, double& cost) {
  const auto& options = setting.options;
  const auto seed = static_cast<uint64_t>(options.seed), number_of_run = static_cast<uint64_t>(run);
  RandomStream starts(seed, Purpose::parameters, number_of_run);
  RandomStream draws(seed, Purpose::train_episodes, number_of_run);
  const BowlProblem problems[] = {BowlProblem({setting.tasks.bowls[0]}),
                                  BowlProblem({setting.tasks.bowls[1]})};
  const MetaObjective meta_objective(setting.tasks);

  SgdRun result;
  result.start = options.lowest_start + (options.highest_start - options.lowest_start) * starts.uniform();
  at::Tensor theta = number(result.start);
  auto next_record = setting.recorded_steps.begin();
  const auto record = [&](int64_t step) {
    if (next_record != setting.recorded_steps.end() && step == *next_record) {
      result.gradient_norms.push_back(std::abs(meta_objective.gradient(theta)));
      ++next_record;
    }
  };
  for (int64_t k = 0; k < options.steps; ++k) {
    record(k);
    const auto coins = coin.toss(seed, static_cast<uint64_t>(run * options.steps + k), 1);
    const auto estimate = estimate_meta_gradient(problems[draws.below(2)], theta, estimator, coins);
    theta = bilevel::descend(theta, estimate.gradient, options.outer_rate / static_cast<double>(k + 1));
    cost += static_cast<double>(estimate.gradient_calls + 2 * estimate.hessian_products);
  }
  record(options.steps);
  result.end = theta.item<double>();
  return result;
}

EstimatorRuns run_estimator(const Setting& setting, const std::string& name) {
  const auto& options = setting.options;
  const bilevel::EstimatorOptions kind{.estimator = name, .q = {options.q}};
  const auto estimator = make_estimator(kind, setting.tasks.inner);
  const bilevel::Coin coin = make_coin(kind, *estimator);
  EstimatorRuns result{.estimator = name, .q = tosses_coins(kind) ? options.q : 0};
  result.runs.resize(static_cast<size_t>(options.runs));
  std::vector<double> costs(result.runs.size());
  parallel_tasks(options.runs, [&](int64_t run) {
    c10::NoGradGuard no_grad;  // the mode belongs to each thread
    const auto i = static_cast<size_t>(run);
    result.runs[i] = run_sgd(setting, *estimator, coin, run, costs[i]);
  });
  result.gradients_per_step =
      std::accumulate(costs.begin(), costs.end(), 0.0) / static_cast<double>(options.runs * options.steps);
  return result;
}

Landscape draw_landscape(const CounterexampleOptions& options, const TwoTasks& tasks) {
  const MetaObjective meta_objective(tasks);
  Landscape landscape;
  for (int64_t i = 0; i < kLandscapePoints; ++i) {
    const double x = options.lowest_start + (options.highest_start - options.lowest_start) *
                                                static_cast<double>(i) / (kLandscapePoints - 1);
    landscape.x.push_back(x);
    landscape.first_task.push_back(tasks.bowls[0].value(x));
    landscape.second_task.push_back(tasks.bowls[1].value(x));
    landscape.meta_objective.push_back(meta_objective.value(x));
  }
  return landscape;
}

/// The mean of function(|M'| after the last step).
template <class Function>
double mean_over_runs(const std::vector<SgdRun>& runs, Function&& function) {
  double sum = 0;
  for (const SgdRun& run : runs) {
    sum += function(run.gradient_norms.back());
  }
  return sum / static_cast<double>(runs.size());
}

}  // namespace

double EstimatorRuns::final_gradient_norm() const {
  return mean_over_runs(runs, [](double norm) { return norm; });
}

double EstimatorRuns::final_squared_norm() const {
  return mean_over_runs(runs, [](double norm) { return norm * norm; });
}

CounterexampleResult run_counterexample(const CounterexampleOptions& options) {
  check_ranges(options, "counterexample");
  CounterexampleResult result{.tasks = make_two_tasks(options.bias),
                              .recorded_steps = log_spaced_steps(options.steps)};
  const Setting setting{options, result.tasks, result.recorded_steps};
  for (const char* estimator : {"first_order", "ufo", "exact"}) {
    result.estimators.push_back(run_estimator(setting, estimator));
  }
  result.landscape = draw_landscape(options, result.tasks);
  return result;
}

}  // namespace ufo::experiment
