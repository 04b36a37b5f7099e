#include <stdexcept>
#include <string>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/train/predictor.h>

namespace ufo::train {
namespace {

void check_finite(const at::Tensor& values, const std::string& what) {
  if (!values.isfinite().all().item<bool>()) {
    throw std::runtime_error("predict: the " + what +
                             " are not finite after the inner steps: need other images or parameters, or "
                             "fewer steps");
  }
}

}  // namespace

Predictor::Predictor(const bilevel::Learner& learner, const at::Tensor& theta,
                     const at::Tensor& support_images, const at::Tensor& support_labels,
                     const bilevel::InnerOptions& inner, bilevel::Engine engine)
    : network_(learner.network), phi_(theta), support_images_(placed(support_images)) {
  const at::Tensor labels = support_labels.to(theta.device()).unsqueeze(0);
  // The inner loop never looks at the query set, so that the support set may stand in for it.
  const bilevel::ClassificationProblem problem(learner, support_images_, labels, support_images_, labels,
                                               engine);
  phi_ = problem.parameters(theta, bilevel::adapt(problem, theta, inner, inner.steps));
  check_finite(phi_, "parameters");
}

Predictor::Predictor(const nn::Network& network, const at::Tensor& phi, const at::Tensor& support_images)
    : network_(network), phi_(phi.unsqueeze(0)), support_images_(placed(support_images)) {}

bool Predictor::sees_lone_images() const {
  c10::NoGradGuard no_grad;
  // Batch norm in float32 leaves of a pixel minus itself some rounding, times up to 1 / sqrt(eps).
  constexpr double kRounding = 1e-6;
  const at::Tensor phi = phi_.to(at::kDouble), support = support_images_.to(at::kDouble);
  const at::Tensor image = support.narrow(1, 0, 1);
  const at::Tensor difference =
      network_.query_logits(phi, image, support) - network_.query_logits(phi, 1 - image, support);
  return difference.abs().max().item<double>() > kRounding;
}

at::Tensor Predictor::probabilities(const at::Tensor& query_images) const {
  c10::NoGradGuard no_grad;
  const at::Tensor logits = network_.query_logits(phi_, placed(query_images), support_images_);
  check_finite(logits, "logits");
  return logits.softmax(-1).squeeze(0).to(at::kCPU);
}

at::Tensor Predictor::placed(const at::Tensor& images) const {
  return images.to(phi_.options()).unsqueeze(0);
}

}  // namespace ufo::train
