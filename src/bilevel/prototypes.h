#pragma once

#include <ATen/core/Tensor.h>

namespace ufo::bilevel {

// T tasks, N ways, S support images, F features an image; a head of H = N (F + 1) parameters is its weights
// [N, F], then its biases [N].

/// A head [T, H] of `ways` rows that all are the one of `row` [T, F + 1], its weights and then its bias.
at::Tensor shared_head(const at::Tensor& row, int64_t ways);

/// The prototypes mu_c [T, N, F]: the mean of the features [T, S, F] of each class by labels [T, S].
at::Tensor prototypes(const at::Tensor& features, const at::Tensor& labels, int64_t ways);

/// The head [T, H] by which logits are -|f - mu_c|^2 up to a number that all classes share, W_c = 2 mu_c and
/// b_c = -|mu_c|^2 (Snell et al., arXiv 1703.05175, equation 8).
at::Tensor prototype_head(const at::Tensor& prototypes);

/// The adjoint of prototype_head(prototypes(features, labels, ways)): v [T, H] to [T, S, F].
at::Tensor prototype_head_adjoint(const at::Tensor& v, const at::Tensor& features, const at::Tensor& labels,
                                  int64_t ways);

}  // namespace ufo::bilevel
