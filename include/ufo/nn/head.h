#pragma once

#include <utility>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/nn/layout.h>

namespace ufo::nn {

/// What the head of a network begins an inner loop as: learned rows, one a class; zeros; one learned row for
/// all classes (UNICORN-MAML, arXiv 2106.16245); or the classes' prototypes, which are the means of their
/// support features (arXiv 1703.05175; as a start of inner steps, arXiv 1903.03096).
enum class Head { linear, zero, shared, prototype };

}  // namespace ufo::nn

template <>
struct ufo::Words<ufo::nn::Head> {
  using enum nn::Head;
  static constexpr std::pair<nn::Head, const char*> table[] = {
      {linear, "linear"}, {zero, "zero"}, {shared, "shared"}, {prototype, "prototype"}};
};

namespace ufo::nn {

/// Parameters [P] of a network as those [P'] of the same network for another number of ways, `to`: the head
/// gets the mean of its rows as every row, its bias likewise; the rest is copied. The labels of episodes are
/// drawn at random, so that no row of a trained head belongs to a class, and this head alone treats all
/// classes alike and is what the trained one is on average. Throws std::invalid_argument where the layouts
/// differ in more than the number of rows.
at::Tensor with_mean_head(const Layout& from, const at::Tensor& parameters, const Layout& to);

}  // namespace ufo::nn
