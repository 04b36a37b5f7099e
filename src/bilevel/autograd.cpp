#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {
namespace {

/// theta [S] as T copies [T, S] that autograd tells apart.
at::Tensor copies_for_tasks(const at::Tensor& theta, int64_t tasks) {
  return theta.detach().unsqueeze(0).expand({tasks, theta.size(0)}).clone().requires_grad_();
}

at::Tensor leaf(const at::Tensor& phi) { return phi.detach().requires_grad_(); }

/// A derivative that autograd found to be zero because nothing depends on it.
at::Tensor or_zeros(const at::Tensor& derivative, const at::Tensor& like) {
  return derivative.defined() ? derivative : at::zeros_like(like);
}

class AutogradLinearization final : public Linearization {
 public:
  AutogradLinearization(const Objective& inner, const at::Tensor& theta, const at::Tensor& phi,
                        Products products)
      : products_(products) {
    c10::AutoGradMode enable(true);
    theta_ = copies_for_tasks(theta, phi.size(0));
    phi_ = leaf(phi);
    require_all_or_none(products);
    const bool keep = products.any();
    // Every loss depends on its own task's row alone, so the gradient of their sum holds each task's
    // gradient.
    graph_ = torch::autograd::grad({inner(theta_, phi_).sum()}, {phi_}, {}, keep, keep)[0];
    gradient_ = graph_.detach();
    if (!keep) {
      graph_.reset();
    }
  }

  const at::Tensor& gradient() const override { return gradient_; }

  at::Tensor hessian_product(const at::Tensor& v) override {
    const at::Tensor result = product(v, phi_);
    return result.defined() ? result : at::zeros_like(v);
  }

  at::Tensor mixed_product(const at::Tensor& v) override { return product(v, theta_); }

 private:
  /// The gradient's adjoint by `by`; undefined where the gradient does not depend on it.
  at::Tensor product(const at::Tensor& v, const at::Tensor& by) {
    if (!products_.any()) {
      throw std::logic_error("a product was asked of a linearization that was made without second_order");
    }
    if (!graph_.requires_grad()) {
      return {};
    }
    at::Tensor rows = v;
    if (v.size(0) < graph_.size(0)) {  // autograd knows no part of a graph
      rows = at::zeros_like(graph_);
      rows.narrow(0, 0, v.size(0)).copy_(v);
    }
    c10::AutoGradMode enable(true);
    const at::Tensor result = torch::autograd::grad({graph_}, {by}, {rows}, true, false, true)[0];
    return result.defined() ? result.narrow(0, 0, v.size(0)) : result;
  }

  Products products_;
  at::Tensor theta_, phi_, graph_, gradient_;
};

}  // namespace

std::unique_ptr<Linearization> linearize_by_autograd(const Objective& inner, const at::Tensor& theta,
                                                     const at::Tensor& phi, Products products) {
  return std::make_unique<AutogradLinearization>(inner, theta, phi, products);
}

OuterGradient outer_gradient_by_autograd(const OuterObjective& outer, const at::Tensor& theta,
                                         const at::Tensor& phi) {
  c10::AutoGradMode enable(true);
  const auto theta_copies = copies_for_tasks(theta, phi.size(0));
  const auto phi_leaf = leaf(phi);
  const OuterValue value = outer(theta_copies, phi_leaf);
  const auto gradients =
      torch::autograd::grad({value.loss.sum()}, {phi_leaf, theta_copies}, {}, false, false, true);
  return {.value = {.loss = value.loss.detach(),
                    .accuracy = value.accuracy.defined() ? value.accuracy.detach() : at::Tensor()},
          .phi = or_zeros(gradients[0], phi_leaf),
          .theta = gradients[1]};
}

}  // namespace ufo::bilevel
