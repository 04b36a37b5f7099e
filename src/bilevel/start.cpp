#include "start.h"

#include "feature_cache.h"
#include "prototypes.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

namespace ufo::bilevel {

at::Tensor Start::value(const at::Tensor& theta) const {
  c10::NoGradGuard no_grad;
  if (!support_.features || learner_.head != nn::Head::prototype) {
    return learner_.start(theta.detach(), support_.images, support_.labels);
  }
  const at::Tensor features = support_.features->at(theta)->features;
  const at::Tensor below =
      theta.detach().narrow(0, 0, body()).unsqueeze(0).expand({features.size(0), body()});
  return at::cat({below, prototype_head(prototypes(features, support_.labels, learner_.ways()))}, 1);
}

at::Tensor Start::adjoint(const at::Tensor& theta, const at::Tensor& v) const {
  if (learner_.head == nn::Head::linear) {
    return v;
  }
  if (support_.engine == Engine::autograd) {
    return adjoint_by_autograd(theta, v);
  }
  c10::NoGradGuard no_grad;
  // A row that all classes share adds the same to all their logits, which no softmax sees. So its derivative
  // is zero in every estimator, and not the rounding noise that Adam would make steps of.
  const at::Tensor by_body = of_body(v);
  if (learner_.head != nn::Head::prototype) {
    return by_body;
  }
  const auto tape = support_.features->at(theta);
  const at::Tensor by_features =
      prototype_head_adjoint(v.slice(1, body()), tape->features, support_.labels, learner_.ways());
  return by_body + of_body(tape->adjoint(by_features));
}

at::Tensor Start::of_body(const at::Tensor& derivative) const {
  return learner_.head == nn::Head::linear
             ? derivative
             : at::constant_pad_nd(derivative.narrow(1, 0, body()), {0, learner_.size() - body()});
}

at::Tensor Start::adjoint_by_autograd(const at::Tensor& theta, const at::Tensor& v) const {
  c10::AutoGradMode enable(true);
  const at::Tensor copies =
      theta.detach().unsqueeze(0).expand({v.size(0), theta.size(0)}).clone().requires_grad_();
  const at::Tensor start = learner_.start(copies, support_.images, support_.labels);
  return torch::autograd::grad({start}, {copies}, {v})[0].narrow(1, 0, learner_.size());
}

}  // namespace ufo::bilevel
