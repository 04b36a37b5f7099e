#include <stdexcept>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

at::Tensor Problem::initial(const at::Tensor& theta) const {
  return theta.detach().unsqueeze(0).expand({tasks(), theta.size(0)});
}

std::unique_ptr<Linearization> Problem::linearize_step(const at::Tensor& theta, const at::Tensor& phi,
                                                       int64_t) const {
  return linearize(theta, phi, Products::none);
}

at::Tensor Linearization::block_product(const at::Tensor&, int64_t blocks) {
  require_all_or_none(Products::of_last(blocks));
  return {};
}

void require_all_or_none(Products products) {
  if (products.any() && !products.whole()) {
    throw std::invalid_argument("need products of all inner variables or none, got those of the last " +
                                std::to_string(products.blocks()) +
                                " blocks: this problem's variables have no blocks");
  }
}

}  // namespace ufo::bilevel
