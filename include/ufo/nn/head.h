#pragma once

#include <ATen/core/Tensor.h>

#include <ufo/nn/layout.h>

namespace ufo::nn {

/// Parameters [P] of a network as those [P'] of the same network for another number of ways, `to`: the head
/// gets the mean of its rows as every row, its bias likewise; the rest is copied. The labels of episodes are
/// drawn at random, so that no row of a trained head belongs to a class, and this head alone treats all
/// classes alike and is what the trained one is on average. Throws std::invalid_argument where the layouts
/// differ in more than the number of rows.
at::Tensor with_mean_head(const Layout& from, const at::Tensor& parameters, const Layout& to);

}  // namespace ufo::nn
