#include <chrono>
#include <limits>
#include <stdexcept>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/base/parallel.h>
#include <ufo/base/tree_sum.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::bilevel {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The sums over one task, on the branch that its coin says.
MetaGradientSums sums_of_task(const Problem& problem, const at::Tensor& theta, const Estimator& estimator,
                              const Coins& coins, int64_t task) {
  c10::NoGradGuard no_grad;  // the mode belongs to each thread
  const auto start = std::chrono::steady_clock::now();
  const bool exact = coins.exact[task];
  const TaskGradients found = estimator.estimate(*problem.select({&task, 1}), theta,
                                                 {.count = exact ? 1 : 0, .probability = coins.probability});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto measured = [&](const at::Tensor& squares) {
    return !exact ? 0 : squares.defined() ? squares.item<double>() : kNone;
  };
  return {.gradient = found.gradient.squeeze(0),
          .tasks = 1,
          .exact_tasks = exact ? 1.0 : 0.0,
          .loss = found.outer.loss.item<double>(),
          .accuracy = found.outer.accuracy.defined() ? found.outer.accuracy.item<double>() : kNone,
          .bias_squared = measured(found.bias_squared),
          .norm_squared = measured(found.norm_squared),
          .exact_seconds = exact ? seconds : 0,
          .first_order_seconds = exact ? 0 : seconds,
          .gradient_calls = static_cast<double>(found.gradient_calls),
          .hessian_products = static_cast<double>(found.hessian_products)};
}

MetaGradientSums task_by_task(const Problem& problem, const at::Tensor& theta, const Estimator& estimator,
                              const Coins& coins, at::Tensor* task_gradients) {
  const int64_t tasks = problem.tasks();
  TreeSum<MetaGradientSums> total(tasks);
  std::vector<at::Tensor> kept(static_cast<size_t>(tasks));
  const auto order = coins.exact_first();  // the longest work begun first leaves no thread waiting at the end
  const auto work = [&](int64_t i) {
    MetaGradientSums sums = sums_of_task(problem, theta, estimator, coins, order[i]);
    if (task_gradients != nullptr) {
      kept[order[i]] = sums.gradient.clone();
    }
    total.add(order[i], std::move(sums));
  };
  parallel_tasks(tasks, work);
  if (task_gradients != nullptr) {
    *task_gradients = at::stack(kept);
  }
  return total.take();
}

at::Tensor sum_or(const at::Tensor& values, double otherwise, const at::Tensor& like) {
  return values.defined() ? values.sum() : at::full({}, otherwise, like.options());
}

/// Rows in the order of the tasks from rows in `order`.
at::Tensor in_order_of_tasks(const at::Tensor& rows, const std::vector<int64_t>& order) {
  at::Tensor result = at::empty_like(rows);
  return result.index_copy_(0, at::tensor(order, at::kLong).to(rows.device()), rows);
}

MetaGradientSums whole_batch(const Problem& problem, const at::Tensor& theta, const Estimator& estimator,
                             const Coins& coins, at::Tensor* task_gradients) {
  const int64_t exact_tasks = coins.exact_tasks();
  const bool one_branch = exact_tasks == 0 || exact_tasks == problem.tasks();
  const auto order = coins.exact_first();
  const auto ordered = one_branch ? nullptr : problem.select(order);
  const DeviceSums sums = launch_meta_gradient_sums(one_branch ? problem : *ordered, theta, estimator,
                                                    {.count = exact_tasks, .probability = coins.probability});
  if (task_gradients != nullptr) {
    *task_gradients = in_order_of_tasks(sums.tasks.gradient, order);
  }
  const at::Tensor scalars = sums.scalars.to(at::kCPU, at::kDouble);
  const double* const sum = scalars.const_data_ptr<double>();
  const auto measured = [&](DeviceSums::Scalar scalar) { return exact_tasks > 0 ? sum[scalar] : 0; };
  return {.gradient = sums.gradient,
          .tasks = static_cast<double>(problem.tasks()),
          .exact_tasks = static_cast<double>(exact_tasks),
          .loss = sum[DeviceSums::kLoss],
          .accuracy = sum[DeviceSums::kAccuracy],
          .bias_squared = measured(DeviceSums::kBiasSquared),
          .norm_squared = measured(DeviceSums::kNormSquared),
          .gradient_calls = static_cast<double>(sums.tasks.gradient_calls),
          .hessian_products = static_cast<double>(sums.tasks.hessian_products)};
}

/// `task_gradients`, where given, becomes [T, S].
MetaGradientSums sum(const Problem& problem, const at::Tensor& theta, const Estimator& estimator,
                     const Coins& coins, at::Tensor* task_gradients) {
  if (coins.tasks() != problem.tasks()) {
    throw std::invalid_argument("sum_meta_gradients: need a coin a task, got " +
                                std::to_string(coins.tasks()) + " coins for " +
                                std::to_string(problem.tasks()) + " tasks");
  }
  c10::NoGradGuard no_grad;
  return problem.schedule() == Schedule::task_by_task
             ? task_by_task(problem, theta, estimator, coins, task_gradients)
             : whole_batch(problem, theta, estimator, coins, task_gradients);
}

}  // namespace

MetaGradientSums& MetaGradientSums::operator+=(const MetaGradientSums& other) {
  if (!gradient.defined()) {
    gradient = other.gradient;
  } else if (other.gradient.defined()) {
    gradient.add_(other.gradient);
  }
  for (const auto number : kNumbers) {
    this->*number += other.*number;
  }
  return *this;
}

MetaGradient MetaGradientSums::mean() const {
  return {.gradient = gradient / tasks,
          .loss = loss / tasks,
          .accuracy = accuracy / tasks,
          .tasks = static_cast<int64_t>(tasks),
          .exact_tasks = static_cast<int64_t>(exact_tasks),
          .bias_squared = bias_squared / exact_tasks,
          .norm_squared = norm_squared / exact_tasks,
          .exact_seconds = exact_seconds,
          .first_order_seconds = first_order_seconds,
          .gradient_calls = static_cast<int64_t>(gradient_calls),
          .hessian_products = static_cast<int64_t>(hessian_products),
          .task_gradients = {}};
}

MetaGradientSums sum_meta_gradients(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const Coins& coins) {
  return sum(problem, theta, estimator, coins, nullptr);
}

MetaGradient estimate_meta_gradient(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const Coins& coins, KeepTasks keep) {
  at::Tensor task_gradients;
  MetaGradient result =
      sum(problem, theta, estimator, coins, keep == KeepTasks::yes ? &task_gradients : nullptr).mean();
  result.task_gradients = task_gradients;
  return result;
}

DeviceSums launch_meta_gradient_sums(const Problem& problem, const at::Tensor& theta,
                                     const Estimator& estimator, const ExactTasks& exact) {
  c10::NoGradGuard no_grad;
  DeviceSums sums{.gradient = {}, .scalars = {}, .tasks = estimator.estimate(problem, theta, exact)};
  sums.gradient = sums.tasks.gradient.sum(0);
  sums.scalars = at::stack(
      {sum_or(sums.tasks.outer.loss, kNone, theta), sum_or(sums.tasks.outer.accuracy, kNone, theta),
       sum_or(sums.tasks.bias_squared, kNone, theta), sum_or(sums.tasks.norm_squared, kNone, theta)});
  return sums;
}

}  // namespace ufo::bilevel
