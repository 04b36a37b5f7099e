#pragma once

#include <vector>

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// The parts of a meta-gradient.
struct Parts {
  at::Tensor v;      ///< [T, P] the adjoint of phi_0
  at::Tensor mixed;  ///< [T, S - R] through the inner objective's own dependence on theta; may be undefined
  at::Tensor rates;  ///< [T, R] by the learned rates; undefined where R = 0
};

/// dL_outer/dtheta + (dphi_0/dtheta)^T v + mixed, any of whose terms may be absent, and behind it the rates:
/// [T, S].
at::Tensor assemble(const Problem& problem, const at::Tensor& theta, const OuterGradient& outer,
                    const Parts& parts);

/// dL_outer/dalpha of step j, -(dalpha_j/dtheta)^T (g_j v_{j+1}), added to `sum` [T, R] (at first undefined).
/// Nothing where no rate is learned.
void add_rates(const Problem& problem, const at::Tensor& gradient, const at::Tensor& v, int64_t j,
               at::Tensor& sum);

/// The same of all steps, with the same v for each: the first-order form. `gradients` are g_0, g_1, ...
at::Tensor first_order_rates(const Problem& problem, const std::vector<at::Tensor>& gradients,
                             const at::Tensor& v);

}  // namespace ufo::bilevel
