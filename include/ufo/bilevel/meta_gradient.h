#pragma once

#include <array>
#include <cstdint>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/coin.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// The estimate of the meta-gradient from one meta-batch.
struct MetaGradient {
  at::Tensor gradient;  ///< [S], the mean over the tasks
  double loss = 0;      ///< mean outer loss at phi_r
  double accuracy = 0;  ///< mean; NaN for problems that are no classification
  int64_t tasks = 0;
  int64_t exact_tasks = 0;         ///< tasks on the exact branch
  double bias_squared = 0;         ///< mean of ||G - G_B||^2 over those tasks; NaN where none measured it
  double norm_squared = 0;         ///< mean of ||G||^2 over those tasks, likewise
  double exact_seconds = 0;        ///< of all tasks of the exact branch together; 0 where not done by itself
  double first_order_seconds = 0;  ///< of all the others together, likewise
  int64_t gradient_calls = 0;
  int64_t hessian_products = 0;
  at::Tensor task_gradients;  ///< [T, S] where asked for, else undefined
};

/// Whether to keep each task's own estimate.
enum class KeepTasks { no, yes };

/// Sums over tasks of which a MetaGradient is the mean; a value, so that tasks, threads and processes add
/// them up alike.
struct MetaGradientSums {
  at::Tensor gradient;  ///< [S]; undefined for no task
  double tasks = 0, exact_tasks = 0;
  double loss = 0, accuracy = 0;
  double bias_squared = 0, norm_squared = 0;  ///< over the exact tasks; NaN where the estimator has none
  double exact_seconds = 0, first_order_seconds = 0;
  double gradient_calls = 0, hessian_products = 0;

  /// All but the gradient.
  static constexpr std::array kNumbers = {
      &MetaGradientSums::tasks,          &MetaGradientSums::exact_tasks,
      &MetaGradientSums::loss,           &MetaGradientSums::accuracy,
      &MetaGradientSums::bias_squared,   &MetaGradientSums::norm_squared,
      &MetaGradientSums::exact_seconds,  &MetaGradientSums::first_order_seconds,
      &MetaGradientSums::gradient_calls, &MetaGradientSums::hessian_products};

  MetaGradientSums& operator+=(const MetaGradientSums& other);

  MetaGradient mean() const;
};

/// The sums of `estimator` over the tasks of `problem`, on the branches of `coins`. A problem that asks for
/// task_by_task is run with a task a thread and summed as TreeSum does: the same bytes for any number of
/// threads.
MetaGradientSums sum_meta_gradients(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const Coins& coins);

/// The mean of the same.
MetaGradient estimate_meta_gradient(const Problem& problem, const at::Tensor& theta,
                                    const Estimator& estimator, const Coins& coins,
                                    KeepTasks keep = KeepTasks::no);

/// Sums that lie on the device of theta.
struct DeviceSums {
  at::Tensor gradient;  ///< [S]
  at::Tensor scalars;   ///< [kScalars] of the dtype of theta
  TaskGradients tasks;  ///< what the sums are of

  /// The places in `scalars` of MetaGradientSums' numbers that a device finds; NaN where one does not apply.
  enum Scalar : int64_t { kLoss, kAccuracy, kBiasSquared, kNormSquared, kScalars };
};

/// The sums over all tasks in one call. Nothing waits for the device and nothing is copied to it, so that the
/// call can be recorded into a graph.
DeviceSums launch_meta_gradient_sums(const Problem& problem, const at::Tensor& theta,
                                     const Estimator& estimator, const ExactTasks& exact);

}  // namespace ufo::bilevel
