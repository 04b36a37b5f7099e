#pragma once

#include "random_problem.h"

#include <gtest/gtest.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {

/// The mean [T, S] over UFO's coin: the estimate of a task takes one of two values, one with probability q.
inline at::Tensor mean_of_ufo(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                              Base base, double q = 0.3) {
  const auto ufo = make_estimator({.estimator = "ufo", .base = base, .q = {q}}, inner);
  const ExactTasks all{.count = problem.tasks(), .probability = q};
  return q * ufo->estimate(problem, theta, all).gradient +
         (1 - q) * ufo->estimate(problem, theta, {}).gradient;
}

/// Expects the exact gradient of the problem of `options` to be the same in every memory mode, and by
/// autograd.
inline void expect_one_exact_gradient(RandomProblemOptions options) {
  const RandomProblem random(options);
  options.engine = Engine::autograd;
  const RandomProblem autograd(options);
  const auto gradient = [&](const RandomProblem& of, Memory memory) {
    return exact_gradient(*of.problem, of.theta, options.inner, memory).gradient;
  };
  const at::Tensor expected = gradient(random, Memory::store_linearizations);
  for (const Memory memory : {Memory::store_parameters, Memory::recompute}) {
    EXPECT_LT(relative_error(gradient(random, memory), expected), 1e-12);
  }
  EXPECT_LT(relative_error(gradient(autograd, Memory::store_linearizations), expected), 1e-9);
}

}  // namespace ufo::bilevel
