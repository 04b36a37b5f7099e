#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/bilevel/classification.h>
#include <ufo/experiment/hypercleaning.h>

namespace ufo::experiment {
namespace {

/// Logits [T, n, C] of features [n, D] under the weights and biases phi [T, (D + 1) C].
at::Tensor linear_logits(const at::Tensor& phi, const at::Tensor& features, int64_t classes) {
  const int64_t dimensions = features.size(1);
  const at::Tensor weight = phi.narrow(1, 0, dimensions * classes).view({-1, dimensions, classes});
  const at::Tensor bias = phi.narrow(1, dimensions * classes, classes).unsqueeze(1);
  return at::matmul(features, weight) + bias;
}

}  // namespace

std::unique_ptr<bilevel::Problem> CleaningProblem::select(std::span<const int64_t>) const {
  return std::make_unique<CleaningProblem>(train_, validation_, classes_);
}

at::Tensor CleaningProblem::initial(const at::Tensor& theta) const {
  return at::zeros({1, (train_.features.size(1) + 1) * classes_}, theta.options());
}

std::unique_ptr<bilevel::Linearization> CleaningProblem::linearize(const at::Tensor& theta,
                                                                   const at::Tensor& phi,
                                                                   bilevel::Products products) const {
  const auto weighted_loss = [this](const at::Tensor& logits_of_weights, const at::Tensor& parameters) {
    const at::Tensor logits = linear_logits(parameters, train_.features, classes_);
    const at::Tensor right = train_.labels.expand({logits.size(0), -1}).unsqueeze(-1);
    const at::Tensor losses = -logits.log_softmax(-1).gather(-1, right).squeeze(-1);
    return (logits_of_weights.sigmoid() * losses).mean(1);
  };
  return bilevel::linearize_by_autograd(weighted_loss, theta, phi, products);
}

bilevel::OuterValue CleaningProblem::outer_value(const at::Tensor&, const at::Tensor& phi) const {
  const at::Tensor logits = linear_logits(phi, validation_.features, classes_);
  const at::Tensor labels = validation_.labels.expand({logits.size(0), -1});
  return {.loss = bilevel::cross_entropy(logits, labels),
          .accuracy = bilevel::accuracy(logits.detach(), labels)};
}

bilevel::OuterGradient CleaningProblem::outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const {
  return bilevel::outer_gradient_by_autograd(
      [this](const at::Tensor& t, const at::Tensor& p) { return outer_value(t, p); }, theta, phi);
}

}  // namespace ufo::experiment
