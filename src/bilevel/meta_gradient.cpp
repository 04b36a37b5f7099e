#include <chrono>
#include <limits>
#include <mutex>
#include <numeric>
#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/base/parallel.h>
#include <ufo/base/random.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::bilevel {
namespace {

/// The estimate of a task, and how long it took.
struct TimedGradients {
  TaskGradients tasks;
  bool exact_branch = false;
  double seconds = 0;
};

/// Of one task.
TimedGradients timed_estimate(const Estimator& estimator, const Problem& problem, const at::Tensor& theta,
                              bool exact_branch) {
  const auto start = std::chrono::steady_clock::now();
  TimedGradients result{.tasks = estimator.estimate(problem, theta, {.count = exact_branch ? 1 : 0}),
                        .exact_branch = exact_branch};
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

void add_seconds(MetaGradient& total, const TimedGradients& result) {
  (result.exact_branch ? total.exact_seconds : total.first_order_seconds) += result.seconds;
}

/// Collects what the tasks gave, in whatever order they finish, and adds it up in the order of the tasks:
/// floating point sums depend on their order, and this one must not depend on the number of threads.
class OrderedTotal {
 public:
  OrderedTotal(int64_t tasks, KeepTasks keep) : waiting_(tasks), keep_(keep) {}

  void add(int64_t task, TimedGradients result) {
    std::lock_guard lock(mutex_);
    waiting_[task] = std::move(result);
    for (; next_ < waiting_.size() && waiting_[next_].tasks.gradient.defined(); ++next_) {
      absorb(std::move(waiting_[next_]));
    }
  }

  MetaGradient mean() {
    const double tasks = static_cast<double>(waiting_.size());
    const double none = std::numeric_limits<double>::quiet_NaN();
    total_.loss /= tasks;
    total_.accuracy = has_accuracy_ ? total_.accuracy / tasks : none;
    total_.bias_squared = measured_ > 0 ? total_.bias_squared / measured_ : none;
    total_.norm_squared = measured_ > 0 ? total_.norm_squared / measured_ : none;
    if (keep_ == KeepTasks::yes) {
      total_.task_gradients = at::cat(kept_);
    }
    return std::move(total_);
  }

 private:
  void absorb(TimedGradients timed) {
    add_seconds(total_, timed);
    const TaskGradients& result = timed.tasks;
    const auto row = result.gradient.squeeze(0);
    if (total_.gradient.defined()) {
      total_.gradient.add_(row);
    } else {
      total_.gradient = row.clone();
    }
    total_.loss += result.outer.loss.item<double>();
    has_accuracy_ = result.outer.accuracy.defined();
    total_.accuracy += has_accuracy_ ? result.outer.accuracy.item<double>() : 0;
    if (result.bias_squared.defined() && result.bias_squared.size(0) == 1) {
      ++measured_;
      total_.bias_squared += result.bias_squared.item<double>();
      total_.norm_squared += result.norm_squared.item<double>();
    }
    total_.gradient_calls += result.gradient_calls;
    total_.hessian_products += result.hessian_products;
    if (keep_ == KeepTasks::yes) {
      kept_.push_back(result.gradient);
    }
  }

  std::mutex mutex_;
  std::vector<TimedGradients> waiting_;
  size_t next_ = 0;
  MetaGradient total_;
  bool has_accuracy_ = false;
  double measured_ = 0;  ///< tasks with bias_squared and norm_squared
  KeepTasks keep_;
  std::vector<at::Tensor> kept_;
};

MetaGradient task_by_task(const Problem& problem, const at::Tensor& theta, const Estimator& estimator,
                          const std::vector<bool>& coins, KeepTasks keep) {
  const int64_t tasks = problem.tasks();
  OrderedTotal total(tasks, keep);
  const auto order = exact_first(coins);  // the longest work begun first leaves no thread waiting at the end
  const auto work = [&](int64_t i) {
    const int64_t task = order[i];
    c10::NoGradGuard no_grad;  // the mode belongs to each thread
    total.add(task, timed_estimate(estimator, *problem.select({&task, 1}), theta, coins[task]));
  };
  if (tasks < task_threads()) {  // too few to go round: the network splits its work on each instead
    for (int64_t i = 0; i < tasks; ++i) {
      work(i);
    }
  } else {
    parallel_tasks(tasks, work);
  }
  return total.mean();
}

at::Tensor sum_or(const at::Tensor& values, double otherwise, const at::Tensor& like) {
  return values.defined() ? values.sum() : at::full({}, otherwise, like.options());
}

/// Rows in the order of the tasks from rows in `order`.
at::Tensor in_order_of_tasks(const at::Tensor& rows, const std::vector<int64_t>& order) {
  at::Tensor result = at::empty_like(rows);
  return result.index_copy_(0, at::tensor(order, at::kLong).to(rows.device()), rows);
}

MetaGradient whole_batch(const Problem& problem, const at::Tensor& theta, const Estimator& estimator,
                         const std::vector<bool>& coins, KeepTasks keep) {
  const int64_t exact_tasks = std::count(coins.begin(), coins.end(), true);
  const bool one_branch = exact_tasks == 0 || exact_tasks == problem.tasks();
  const auto order = exact_first(coins);
  const auto ordered = one_branch ? nullptr : problem.select(order);
  const MetaGradientSums sums =
      sum_meta_gradients(one_branch ? problem : *ordered, theta, estimator, {.count = exact_tasks});
  const at::Tensor scalars = sums.scalars.to(at::kCPU, at::kDouble);
  const double* const sum = scalars.const_data_ptr<double>();
  const double tasks = static_cast<double>(problem.tasks()), measured = static_cast<double>(exact_tasks);
  return {.gradient = sums.gradient,
          .loss = sum[0] / tasks,
          .accuracy = sum[1] / tasks,
          .bias_squared = sum[2] / measured,
          .norm_squared = sum[3] / measured,
          .gradient_calls = sums.tasks.gradient_calls,
          .hessian_products = sums.tasks.hessian_products,
          .task_gradients =
              keep == KeepTasks::yes ? in_order_of_tasks(sums.tasks.gradient, order) : at::Tensor()};
}

}  // namespace

std::vector<bool> toss_coins(uint64_t seed, uint64_t step, int64_t tasks, double probability) {
  RandomStream random(seed, Purpose::coins, step);
  std::vector<bool> coins(tasks);
  for (int64_t task = 0; task < tasks; ++task) {
    coins[task] = random.uniform() < probability;
  }
  return coins;
}

MetaGradientSums sum_meta_gradients(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const ExactTasks& exact) {
  c10::NoGradGuard no_grad;
  MetaGradientSums sums{.gradient = {}, .scalars = {}, .tasks = estimator.estimate(problem, theta, exact)};
  sums.gradient = sums.tasks.gradient.sum(0);
  const double none = std::numeric_limits<double>::quiet_NaN();
  sums.scalars =
      at::stack({sum_or(sums.tasks.outer.loss, none, theta), sum_or(sums.tasks.outer.accuracy, none, theta),
                 sum_or(sums.tasks.bias_squared, none, theta), sum_or(sums.tasks.norm_squared, none, theta)});
  return sums;
}

std::vector<int64_t> exact_first(const std::vector<bool>& coins) {
  std::vector<int64_t> order(coins.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_partition(order.begin(), order.end(), [&](int64_t task) { return coins[task]; });
  return order;
}

MetaGradient estimate_meta_gradient(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const std::vector<bool>& coins,
                                    KeepTasks keep) {
  if (static_cast<int64_t>(coins.size()) != problem.tasks()) {
    throw std::invalid_argument("estimate_meta_gradient: need a coin a task, got " +
                                std::to_string(coins.size()) + " coins for " +
                                std::to_string(problem.tasks()) + " tasks");
  }
  c10::NoGradGuard no_grad;
  MetaGradient result = problem.schedule() == Schedule::task_by_task
                            ? task_by_task(problem, theta, estimator, coins, keep)
                            : whole_batch(problem, theta, estimator, coins, keep);
  result.gradient = result.gradient / static_cast<double>(problem.tasks());
  result.tasks = problem.tasks();
  result.exact_tasks = std::count(coins.begin(), coins.end(), true);
  return result;
}

}  // namespace ufo::bilevel
