#pragma once

#include <memory>

#include <ATen/ATen.h>

#include <ufo/bilevel/problem.h>
#include <ufo/nn/layout.h>

namespace ufo::bilevel {

/// Another's with weight decay: the objective has decay / 2 |phi|^2 more.
class DecayedLinearization final : public Linearization {
 public:
  /// `layout` tells the blocks apart; null where phi is a head alone, of which every product is.
  DecayedLinearization(std::unique_ptr<Linearization> loss, const at::Tensor& phi, double decay,
                       Products products, const nn::Layout* layout)
      : loss_(std::move(loss)),
        gradient_(at::add(loss_->gradient(), phi, decay)),
        decay_(decay),
        products_(products),
        layout_(layout) {}

  const at::Tensor& gradient() const override { return gradient_; }
  at::Tensor hessian_product(const at::Tensor& v) override {
    return decayed(loss_->hessian_product(v), v, products_.whole() ? 0 : first_of(products_.blocks()));
  }
  at::Tensor block_product(const at::Tensor& v, int64_t blocks) override {
    return decayed(loss_->block_product(v, blocks), v, first_of(blocks));
  }
  at::Tensor mixed_product(const at::Tensor& v) override { return loss_->mixed_product(v); }

 private:
  int64_t first_of(int64_t blocks) const { return layout_ ? layout_->start_of_last(blocks) : 0; }

  at::Tensor decayed(const at::Tensor& product, const at::Tensor& v, int64_t first) const {
    at::Tensor sum = product.clone();
    sum.slice(1, first).add_(v.slice(1, first), decay_);
    return sum;
  }

  std::unique_ptr<Linearization> loss_;
  at::Tensor gradient_;
  double decay_;
  Products products_;
  const nn::Layout* layout_;
};

}  // namespace ufo::bilevel
