#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/base/error.h>
#include <ufo/base/parallel.h>
#include <ufo/base/plus.h>
#include <ufo/train/device.h>
#include <ufo/train/evaluator.h>

namespace ufo::train {
namespace {

constexpr int64_t kDeviceBatch = 25;  // episodes in one call on a GPU

/// The outer objective of some episodes after 0, 1, ..., K inner steps.
using StepValues = std::vector<bilevel::OuterValue>;
using ValuesOfBatch = std::function<StepValues(const episode::EpisodeBatch&)>;

/// Writes those of a batch that begins with the request's episode number `first` into `curves`.
void add_values(const StepValues& values, int64_t first, run::EpisodeCurves& curves) {
  std::vector<at::Tensor> rows;
  for (const bilevel::OuterValue& value : values) {
    rows.push_back(value.accuracy);
    rows.push_back(value.loss);
  }
  const at::Tensor numbers = at::stack(rows).to(at::kCPU, at::kDouble);  // a device is waited for once
  const int64_t episodes = numbers.size(1);
  const double* row = numbers.const_data_ptr<double>();
  for (size_t step = 0; step < values.size(); ++step, row += 2 * episodes) {
    std::copy_n(row, episodes, curves.accuracy[step].begin() + first);
    std::copy_n(row + episodes, episodes, curves.loss[step].begin() + first);
  }
}

/// Throws for the first episode whose loss is not finite; that of logits that are not finite is none.
void check_finite(const run::EpisodeCurves& curves, const EvaluationRequest& request) {
  for (size_t step = 0; step < curves.loss.size(); ++step) {
    const auto& losses = curves.loss[step];
    const auto bad =
        std::find_if_not(losses.begin(), losses.end(), [](double x) { return std::isfinite(x); });
    if (bad != losses.end()) {
      throw std::runtime_error("episode " + std::to_string(request.first + (bad - losses.begin())) +
                               " of the " + data::kSplitNames[static_cast<size_t>(request.split)] +
                               " split: after " + std::to_string(step) +
                               " inner steps the parameters or the loss are not finite: need other "
                               "parameters, or a smaller inner.learning_rate");
    }
  }
}

/// Episodes `first` to `first` + `count` - 1 of the sampler on a device: it gets indices, and gathers the
/// images that it holds.
episode::EpisodeBatch gather(const episode::DeviceImages& images, at::Device device,
                             const episode::EpisodeSampler& sampler, data::Split split, int64_t first,
                             int64_t count) {
  const auto drawn = sampler.indices(split, static_cast<uint64_t>(first), count);
  const auto send = [&](const at::Tensor& from) {
    return from.defined() ? from.pin_memory().to(device, /*non_blocking=*/true) : from;
  };
  return images.gather({.images = send(drawn.images),
                        .quarter_turns = send(drawn.quarter_turns),
                        .augmentation = send(drawn.augmentation),
                        .labels = send(drawn.labels)},
                       sampler.options());
}

/// The curves of all episodes that `request` asks for, from those of batches of them.
run::EpisodeCurves evaluate(const ValuesOfBatch& values_of, at::Device device,
                            const episode::EpisodeSampler& sampler, const EvaluationRequest& request) {
  const auto check_stop = [&] {
    if (request.should_stop && request.should_stop()) {
      throw EvaluationStopped();
    }
  };
  const std::vector<std::vector<double>> empty(static_cast<size_t>(request.inner.steps) + 1,
                                               std::vector<double>(static_cast<size_t>(request.tasks)));
  run::EpisodeCurves curves{.accuracy = empty, .loss = empty};
  if (device.is_cpu()) {
    parallel_tasks(request.tasks, [&](int64_t task) {
      check_stop();
      c10::NoGradGuard no_grad;  // the mode belongs to each thread
      const auto batch = sampler.batch(request.split, static_cast<uint64_t>(request.first + task), 1);
      add_values(values_of(batch), task, curves);
    });
    check_finite(curves, request);
    return curves;
  }
  c10::NoGradGuard no_grad;
  std::optional<episode::DeviceImages> own_images;
  const episode::DeviceImages& images =
      request.images != nullptr ? *request.images : own_images.emplace(sampler.dataset(), device);
  for (int64_t task = 0; task < request.tasks; task += kDeviceBatch) {
    check_stop();
    const int64_t count = std::min(kDeviceBatch, request.tasks - task);
    add_values(values_of(gather(images, device, sampler, request.split, request.first + task, count)), task,
               curves);
  }
  check_finite(curves, request);
  return curves;
}

/// Adds the logits of one of so many members to `sum` (at first undefined). The logarithm of summed
/// probabilities takes the place of logits: the softmax behind makes their mean of it, and no probability is
/// lost to underflow.
void add_member(const at::Tensor& logits, run::EnsembleMean mean, size_t members, at::Tensor& sum) {
  if (mean == run::EnsembleMean::logits) {
    sum = plus(sum, logits / static_cast<double>(members));
    return;
  }
  const at::Tensor log_probability = logits.log_softmax(-1);
  sum = sum.defined() ? at::logaddexp(sum, log_probability) : log_probability;
}

/// The outer objective by the means over `thetas`.
StepValues ensemble_values(const bilevel::Learner& learner, const std::vector<at::Tensor>& thetas,
                           const episode::EpisodeBatch& batch, const EvaluationRequest& request) {
  std::vector<at::Tensor> sums(static_cast<size_t>(request.inner.steps) + 1);  // [T, R, N] each
  for (const at::Tensor& theta : thetas) {
    const auto problem = make_problem(learner, batch, theta, request.engine);
    size_t step = 0;
    bilevel::visit_descent(problem, theta, request.inner, [&](const at::Tensor& phi) {
      const at::Tensor seen = bilevel::zero_or_nan(phi).unsqueeze(-1).unsqueeze(-1);
      add_member(problem.query_logits(theta, phi) + seen, request.ensemble_mean, thetas.size(), sums[step++]);
    });
  }
  const at::Tensor labels = batch.query_labels.to(thetas.front().device());
  StepValues values;
  for (const at::Tensor& sum : sums) {
    values.push_back(
        {.loss = bilevel::cross_entropy(sum, labels), .accuracy = bilevel::accuracy(sum, labels)});
  }
  return values;
}

}  // namespace

run::EpisodeCurves evaluate_episodes(const bilevel::Learner& learner, const at::Tensor& theta,
                                     const episode::EpisodeSampler& sampler,
                                     const EvaluationRequest& request) {
  const auto values_of = [&](const episode::EpisodeBatch& batch) {
    const auto problem = make_problem(learner, batch, theta, request.engine);
    return bilevel::adaptation_curve(problem, theta, request.inner);
  };
  return evaluate(values_of, theta.device(), sampler, request);
}

run::EpisodeCurves evaluate_ensemble(const bilevel::Learner& learner, const std::vector<at::Tensor>& thetas,
                                     const episode::EpisodeSampler& sampler,
                                     const EvaluationRequest& request) {
  if (thetas.empty()) {
    throw std::invalid_argument("evaluate_ensemble: need at least 1 member, got none");
  }
  const auto values_of = [&](const episode::EpisodeBatch& batch) {
    return ensemble_values(learner, thetas, batch, request);
  };
  return evaluate(values_of, thetas.front().device(), sampler, request);
}

}  // namespace ufo::train
