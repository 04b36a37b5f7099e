#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include <ufo/run/options.h>

namespace ufo::train {

/// How much of a run is over, from 0 to 1: the share of its budget that is spent where it has one, else of
/// its outer steps. `steps` are done, and took `gradient_calls`.
double run_progress(const run::OuterOptions& outer, int64_t steps, double gradient_calls);

/// Whether a run that has done `steps` outer steps at the price of `gradient_calls` is over.
bool run_is_over(const run::OuterOptions& outer, int64_t steps, double gradient_calls);

/// The outer step size of step number `step` (from 0), at which `progress` of the run is over: with eta and
/// eta_final the two learning rates,
///   linear eta + (eta_final - eta) progress,
///   cosine eta_final + (eta - eta_final) (1 + cos(pi progress)) / 2 (Loshchilov and Hutter, arXiv
///   1608.03983), step   eta decay_factor^floor(step / decay_every),
/// times (step + 1) / warm_up_steps in the warm-up.
double outer_learning_rate(const run::OuterOptions& outer, int64_t step, double progress);

/// The weights [inner_steps] of the outer objective after inner steps 1, 2, ... in outer step number `step`,
/// float32; undefined where that after the last one alone counts. With N inner steps and the share p of
/// outer.multi_step_loss that is over, all but the last weigh max((1 - p) / N, 0.03 / N) and the last one the
/// rest of 1 (arXiv 1810.09502, and the paper's code for the lower bound).
at::Tensor outer_weights(const run::OuterOptions& outer, int64_t inner_steps, int64_t step);

}  // namespace ufo::train
