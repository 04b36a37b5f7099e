#include <c10/core/GradMode.h>

#include <ufo/base/error.h>
#include <ufo/base/parallel.h>
#include <ufo/train/device.h>
#include <ufo/train/evaluator.h>

namespace ufo::train {
namespace {

constexpr int64_t kDeviceBatch = 25;  // episodes in one call on a GPU

/// Writes the curves of a batch that begins with the request's episode number `first` into `curves`.
void evaluate_batch(const nn::Network& network, const at::Tensor& theta, const episode::EpisodeBatch& batch,
                    const EvaluationRequest& request, int64_t first, EpisodeCurves& curves) {
  const auto problem = make_problem(network, batch, theta, request.engine);
  const std::vector<bilevel::OuterValue> curve = bilevel::adaptation_curve(problem, theta, request.inner);
  const auto copy = [first](const at::Tensor& values, std::vector<double>& row) {
    const at::Tensor numbers = values.to(at::kCPU, at::kDouble).contiguous();
    std::copy_n(numbers.const_data_ptr<double>(), numbers.numel(), row.begin() + first);
  };
  for (size_t step = 0; step < curve.size(); ++step) {
    copy(curve[step].accuracy, curves.accuracy[step]);
    copy(curve[step].loss, curves.loss[step]);
  }
}

}  // namespace

MeanWithInterval mean_with_interval(const std::vector<double>& values) {
  if (values.size() < 2) {
    throw std::invalid_argument("mean_with_interval: need at least 2 values, got " +
                                std::to_string(values.size()));
  }
  const double count = static_cast<double>(values.size());
  double sum = 0;
  for (double value : values) {
    sum += value;
  }
  const double mean = sum / count;
  double squares = 0;
  for (double value : values) {
    squares += (value - mean) * (value - mean);
  }
  return {.mean = mean, .interval = 1.96 * std::sqrt(squares / (count - 1)) / std::sqrt(count)};
}

EpisodeCurves evaluate_episodes(const nn::Network& network, const at::Tensor& theta,
                                const episode::EpisodeSampler& sampler, const EvaluationRequest& request) {
  const std::vector<std::vector<double>> empty(static_cast<size_t>(request.inner.steps) + 1,
                                               std::vector<double>(static_cast<size_t>(request.tasks)));
  EpisodeCurves curves{.accuracy = empty, .loss = empty};
  if (theta.is_cpu()) {
    parallel_tasks(request.tasks, [&](int64_t task) {
      c10::NoGradGuard no_grad;  // the mode belongs to each thread
      const auto batch = sampler.batch(request.split, static_cast<uint64_t>(request.first + task), 1);
      evaluate_batch(network, theta, batch, request, task, curves);
    });
    return curves;
  }
  c10::NoGradGuard no_grad;
  episode::EpisodePrefetcher batches(sampler, request.split, kDeviceBatch, 0,
                                     {.first = request.first, .count = kDeviceBatch});
  int64_t task = 0;
  for (; task + kDeviceBatch <= request.tasks; task += kDeviceBatch) {
    evaluate_batch(network, theta, batches.next(), request, task, curves);
  }
  if (task < request.tasks) {
    const auto rest =
        sampler.batch(request.split, static_cast<uint64_t>(request.first + task), request.tasks - task);
    evaluate_batch(network, theta, rest, request, task, curves);
  }
  return curves;
}

EvaluationResult summarize(const EpisodeCurves& curves) {
  EvaluationResult result;
  for (size_t step = 0; step < curves.accuracy.size(); ++step) {
    const MeanWithInterval accuracy = mean_with_interval(curves.accuracy[step]);
    result.accuracy_after_step.push_back(accuracy.mean);
    result.interval_after_step.push_back(accuracy.interval);
    result.loss_after_step.push_back(mean_with_interval(curves.loss[step]).mean);
  }
  result.task_accuracies = curves.accuracy.back();
  result.tasks = static_cast<int64_t>(result.task_accuracies.size());
  result.inner_steps = static_cast<int64_t>(curves.accuracy.size()) - 1;
  return result;
}

MeanWithInterval paired_difference(const EvaluationResult& a, const EvaluationResult& b) {
  const auto episodes = [](const EvaluationResult& result) {
    return std::tuple(result.split, result.seed, result.tasks, result.ways, result.shots, result.queries);
  };
  if (episodes(a) != episodes(b) || a.task_accuracies.size() != b.task_accuracies.size()) {
    throw ConfigError(
        "paired difference: need two evaluations on the same episodes; split, seed, tasks, ways, shots "
        "or queries differ");
  }
  std::vector<double> differences(a.task_accuracies.size());
  std::transform(a.task_accuracies.begin(), a.task_accuracies.end(), b.task_accuracies.begin(),
                 differences.begin(), std::minus<>());
  return mean_with_interval(differences);
}

}  // namespace ufo::train
