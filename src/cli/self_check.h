#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/learner.h>
#include <ufo/bilevel/problem.h>
#include <ufo/episode/episode.h>
#include <ufo/nn/network.h>

namespace ufo::cli {

// T tasks, P parameters. M(theta) is the mean outer loss of the tasks after the inner loop; everything is
// float64.

/// The largest error of `gradient` [P] against (M(theta + h d) - M(theta - h d)) / 2h, over some directions
/// d: that of the gradient itself and random ones of length 1. Relative to the derivative along d, or to
/// ||gradient|| / sqrt(P), its typical size, where that is larger. M has kinks where a ReLU flips, and
/// rounding where h is small, so each direction counts with the best of several h.
double central_difference_error(const bilevel::Problem& problem, const at::Tensor& theta,
                                const at::Tensor& gradient, const bilevel::InnerOptions& inner,
                                uint64_t seed);

/// dM/dtheta [P] by plain autograd: one graph through all inner steps, sharing nothing with the estimators.
/// `weights` [r] of the outer objective after each step, as Problem::outer_weights.
at::Tensor one_graph_gradient(const bilevel::Learner& learner, const episode::EpisodeBatch& batch,
                              const at::Tensor& theta, const bilevel::InnerOptions& inner,
                              const at::Tensor& weights = {});

/// ||a - b|| / ||b||.
double relative_error(const at::Tensor& a, const at::Tensor& b);

/// A distance from the exact gradient in standard errors, for the parameter block where it is largest or
/// smallest.
struct BlockDistance {
  double standard_errors = 0;
  std::string block;
};

/// Where the mean of UFO's estimates lies, and where first-order lies, seen from the exact gradient.
struct BiasReport {
  double q = 0;
  int64_t draws = 0;
  BlockDistance ufo;          ///< the worst block
  BlockDistance first_order;  ///< the block in which the bias shows least
};

/// Averages UFO's estimates on `problem` over `draws` tosses of the coins. Each task's two branches are
/// computed once; a draw only chooses between them. A standard error is that of the mean of the draws,
/// sqrt(sum over tasks of Var(coin) ||branch_1 - branch_0||^2 / T^2 / draws) in a block.
BiasReport measure_bias(const bilevel::Problem& problem, const at::Tensor& theta,
                        const bilevel::InnerOptions& inner, const nn::Layout& layout, double q, int64_t draws,
                        uint64_t seed);

}  // namespace ufo::cli
