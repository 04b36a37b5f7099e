#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// UFO's coins of one meta-batch, one a task: coin t is a pure function of (seed, step, t) and `probability`.
std::vector<bool> toss_coins(uint64_t seed, uint64_t step, int64_t tasks, double probability);

/// The tasks [T], those whose coin fell on the exact branch before the others, else in their order.
std::vector<int64_t> exact_first(const std::vector<bool>& coins);

/// The estimate of the meta-gradient from one meta-batch.
struct MetaGradient {
  at::Tensor gradient;  ///< [S], the mean over the tasks
  double loss = 0;      ///< mean outer loss at phi_r
  double accuracy = 0;  ///< mean; NaN for problems that are no classification
  int64_t tasks = 0;
  int64_t exact_tasks = 0;         ///< tasks whose coin fell on the exact branch
  double bias_squared = 0;         ///< mean of ||G - G_FO||^2 over those tasks; NaN where there was none
  double norm_squared = 0;         ///< mean of ||G||^2 over those tasks; NaN where there was none
  double exact_seconds = 0;        ///< of all tasks of the exact branch together; 0 where not done by itself
  double first_order_seconds = 0;  ///< of all the others together, likewise
  int64_t gradient_calls = 0;
  int64_t hessian_products = 0;
  at::Tensor task_gradients;  ///< [T, S] where asked for, else undefined
};

/// Whether to keep each task's own estimate.
enum class KeepTasks { no, yes };

/// The mean of `estimator` over the tasks of `problem`, coin t deciding the branch of task t.
/// A problem that asks for task_by_task is run with a task a thread, and summed in the order of the tasks:
/// the result has the same bytes for any number of threads.
MetaGradient estimate_meta_gradient(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const std::vector<bool>& coins,
                                    KeepTasks keep = KeepTasks::no);

/// Sums over the tasks of one meta-batch. Its tensors stay on the device of theta.
struct MetaGradientSums {
  at::Tensor gradient;  ///< [S]
  at::Tensor scalars;   ///< [4] of the dtype of theta: outer loss at phi_r, accuracy, and of the exact tasks
                        ///< ||G - G_FO||^2 and ||G||^2; NaN where a quantity does not apply
  TaskGradients tasks;  ///< what the sums are of
};

/// What estimate_meta_gradient takes the mean of, all tasks in one call. Nothing waits for the device and
/// nothing is copied to it, so that the call can be recorded into a graph.
MetaGradientSums sum_meta_gradients(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const ExactTasks& exact);

}  // namespace ufo::bilevel
