#pragma once

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// dL_outer/dtheta + (dphi_0/dtheta)^T v + mixed, [T, S], any of whose terms may be absent (undefined).
at::Tensor assemble(const Problem& problem, const at::Tensor& theta, const OuterGradient& outer,
                    const at::Tensor& v, const at::Tensor& mixed);

}  // namespace ufo::bilevel
