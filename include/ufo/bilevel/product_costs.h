#pragma once

#include <optional>

#include <ufo/bilevel/estimator.h>
#include <ufo/nn/network.h>

namespace ufo::bilevel {

/// What Hessian products count for an estimator with `base`, for images of shape `input`: `whole` with the
/// whole Hessian, and the share of it by the network's multiply-adds where a product stops at the base; all
/// of it where the network does not count them. Throws std::invalid_argument where the network has fewer
/// blocks than the base.
ProductCosts product_costs(const nn::Network& network, const nn::InputShape& input,
                           const std::optional<Base>& base, double whole = ProductCosts().whole);

}  // namespace ufo::bilevel
