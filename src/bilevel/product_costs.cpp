#include <ufo/bilevel/product_costs.h>

namespace ufo::bilevel {

ProductCosts product_costs(const nn::Network& network, const nn::InputShape& input,
                           const std::optional<Base>& base, double whole) {
  ProductCosts costs{.whole = whole};
  if (base && base->second_order()) {
    network.layout().start_of_last(base->blocks());  // throws where there are fewer
    const auto work = network.multiply_adds(input);
    const double share = work.blocks.empty() ? 1
                                             : static_cast<double>(work.hessian_product(base->blocks())) /
                                                   static_cast<double>(work.hessian_product());
    costs.base = whole * share;
  }
  return costs;
}

}  // namespace ufo::bilevel
