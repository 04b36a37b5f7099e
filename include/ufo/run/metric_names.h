#pragma once

namespace ufo::run::metric {

// The fields of a line of metrics.jsonl, and the last part of TensorBoard's tags.

// Of every line:
inline constexpr const char* kStep = "step";
inline constexpr const char* kSplit = "split";
inline constexpr const char* kLoss = "loss";
inline constexpr const char* kAccuracy = "accuracy";
inline constexpr const char* kTasksPerSecond = "tasks_per_second";
inline constexpr const char* kSeconds = "seconds";

// Of training steps:
inline constexpr const char* kGradientNorm = "gradient_norm";
inline constexpr const char* kGradientCalls = "gradient_calls";
inline constexpr const char* kHessianProducts = "hessian_products";

// Of UFO's training steps: q, the tasks on the exact branch, D^2 and V^2 over these, and their running means.
inline constexpr const char* kProbability = "q";
inline constexpr const char* kExactTasks = "exact_tasks";
inline constexpr const char* kBiasSquared = "d2";
inline constexpr const char* kNormSquared = "v2";
inline constexpr const char* kBiasSquaredMean = "d2_mean";
inline constexpr const char* kNormSquaredMean = "v2_mean";

/// What kExactTasks was called in runs of version 0.1.
inline constexpr const char* kExactTasksBefore = "coins";

// Of validations where rates are learned: an object of lists by layer.
inline constexpr const char* kInnerRates = "inner_rates";

}  // namespace ufo::run::metric
