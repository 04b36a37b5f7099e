#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/estimator.h>
#include <ufo/train/workspace.h>

namespace ufo::cli {

/// What an estimator gives and costs on the tasks of a config, means over T tasks.
struct Choice {
  bilevel::EstimatorOptions options;  ///< UFO's with the q of least variance for the work
  double left_out = 0;                ///< ||G - E estimate||^2, as a share of V^2; 0 for the unbiased ones
  double second_moment = 0;           ///< E ||estimate||^2; V^2 + (1/q - 1) D^2 for UFO
  double gradient_calls = 0;
  double milliseconds = 0;   ///< measured, of all tasks together by a thread a task, divided by T
  int64_t tensor_bytes = 0;  ///< the peak of the same; UFO's is that of its exact branch

  bool unbiased() const { return left_out == 0; }

  /// What SGD's error after a given amount of work grows with; for the unbiased ones.
  double variance_times_cost() const { return second_moment * gradient_calls; }
};

/// D^2 of a base: the mean of ||G - G_B||^2.
struct BaseMoment {
  bilevel::Base base = bilevel::Base::first_order();
  double bias_squared = 0;
  double probability = 0;  ///< the best q of UFO on this base
  double cost_ratio = 0;   ///< (C_exact - C_base) / C_base
};

/// Which estimator suits a config.
struct Advice {
  int64_t tasks = 0;
  double norm_squared = 0;  ///< V^2, the mean of ||G||^2
  std::vector<BaseMoment> bases;
  std::vector<Choice> choices;
  size_t recommended = 0;  ///< of the choices
  std::string reason;
};

/// Measures every estimator, base and memory mode at `theta` [P] on the training tasks 0 to `tasks` - 1, and
/// recommends the unbiased one of the least variance_times_cost(): exact itself unless UFO's is less by a
/// tenth. Starts the allocation meter.
Advice advise(const train::Workspace& workspace, const at::Tensor& theta, int64_t tasks);

}  // namespace ufo::cli
