#include <functional>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/base/error.h>
#include <ufo/base/parallel.h>
#include <ufo/train/device.h>
#include <ufo/train/evaluator.h>

namespace ufo::train {
namespace {

constexpr int64_t kDeviceBatch = 25;  // episodes in one call on a GPU

using Curve = std::vector<bilevel::OuterValue>;
using CurveOfBatch = std::function<Curve(const episode::EpisodeBatch&)>;

/// Writes the curve of a batch that begins with the request's episode number `first` into `curves`.
void add_curve(const Curve& curve, int64_t first, run::EpisodeCurves& curves) {
  const auto copy = [first](const at::Tensor& values, std::vector<double>& row) {
    const at::Tensor numbers = values.to(at::kCPU, at::kDouble).contiguous();
    std::copy_n(numbers.const_data_ptr<double>(), numbers.numel(), row.begin() + first);
  };
  for (size_t step = 0; step < curve.size(); ++step) {
    copy(curve[step].accuracy, curves.accuracy[step]);
    copy(curve[step].loss, curves.loss[step]);
  }
}

/// The curves of all episodes that `request` asks for, from those of batches of them.
run::EpisodeCurves evaluate(const CurveOfBatch& curve_of, bool on_cpu, const episode::EpisodeSampler& sampler,
                            const EvaluationRequest& request) {
  const std::vector<std::vector<double>> empty(static_cast<size_t>(request.inner.steps) + 1,
                                               std::vector<double>(static_cast<size_t>(request.tasks)));
  run::EpisodeCurves curves{.accuracy = empty, .loss = empty};
  if (on_cpu) {
    parallel_tasks(request.tasks, [&](int64_t task) {
      c10::NoGradGuard no_grad;  // the mode belongs to each thread
      const auto batch = sampler.batch(request.split, static_cast<uint64_t>(request.first + task), 1);
      add_curve(curve_of(batch), task, curves);
    });
    return curves;
  }
  c10::NoGradGuard no_grad;
  episode::EpisodePrefetcher batches(sampler, request.split, kDeviceBatch, 0,
                                     {.first = request.first, .count = kDeviceBatch});
  int64_t task = 0;
  for (; task + kDeviceBatch <= request.tasks; task += kDeviceBatch) {
    add_curve(curve_of(batches.next()), task, curves);
  }
  if (task < request.tasks) {
    const auto rest =
        sampler.batch(request.split, static_cast<uint64_t>(request.first + task), request.tasks - task);
    add_curve(curve_of(rest), task, curves);
  }
  return curves;
}

/// The logarithm of the members' summed probabilities takes the place of the logits: the softmax behind makes
/// their mean of it, and no probability is lost to underflow.
Curve ensemble_curve(const nn::Network& network, const std::vector<at::Tensor>& thetas,
                     const episode::EpisodeBatch& batch, const EvaluationRequest& request) {
  std::vector<at::Tensor> log_sums;  // one an inner step, [T, R, N]
  for (const at::Tensor& theta : thetas) {
    const auto problem = make_problem(network, batch, theta, request.engine);
    size_t step = 0;
    bilevel::visit_descent(problem, theta, request.inner, [&](const at::Tensor& phi) {
      const at::Tensor log_probability = problem.query_logits(phi).log_softmax(-1);
      if (step == log_sums.size()) {
        log_sums.push_back(log_probability);
      } else {
        log_sums[step] = at::logaddexp(log_sums[step], log_probability);
      }
      ++step;
    });
  }
  const at::Tensor labels = batch.query_labels.to(thetas.front().device());
  Curve curve;
  for (const at::Tensor& log_sum : log_sums) {
    curve.push_back(
        {.loss = bilevel::cross_entropy(log_sum, labels), .accuracy = bilevel::accuracy(log_sum, labels)});
  }
  return curve;
}

}  // namespace

run::EpisodeCurves evaluate_episodes(const nn::Network& network, const at::Tensor& theta,
                                     const episode::EpisodeSampler& sampler,
                                     const EvaluationRequest& request) {
  const auto curve_of = [&](const episode::EpisodeBatch& batch) {
    const auto problem = make_problem(network, batch, theta, request.engine);
    return bilevel::adaptation_curve(problem, theta, request.inner);
  };
  return evaluate(curve_of, theta.is_cpu(), sampler, request);
}

run::EpisodeCurves evaluate_ensemble(const nn::Network& network, const std::vector<at::Tensor>& thetas,
                                     const episode::EpisodeSampler& sampler,
                                     const EvaluationRequest& request) {
  if (thetas.empty()) {
    throw std::invalid_argument("evaluate_ensemble: need at least 1 member, got none");
  }
  const auto curve_of = [&](const episode::EpisodeBatch& batch) {
    return ensemble_curve(network, thetas, batch, request);
  };
  return evaluate(curve_of, thetas.front().is_cpu(), sampler, request);
}

}  // namespace ufo::train
