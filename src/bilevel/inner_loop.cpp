#include <ATen/ATen.h>

#include <ufo/bilevel/inner_loop.h>

namespace ufo::bilevel {

at::Tensor descend(const at::Tensor& phi, const at::Tensor& gradient, double learning_rate) {
  return at::sub(phi, gradient, learning_rate);
}

at::Tensor inner_step(const Problem& problem, const at::Tensor& theta, const at::Tensor& phi,
                      const InnerOptions& inner, int64_t j, std::vector<at::Tensor>* gradients) {
  const StepRate rate(problem, theta, inner, j);
  const at::Tensor start = problem.enter(theta, phi, j);
  const at::Tensor gradient = problem.linearize(theta, start, Products::none)->gradient();
  if (gradients != nullptr) {
    gradients->push_back(gradient);
  }
  return descend(start, rate.weigh(gradient), rate.common());
}

at::Tensor zero_or_nan(const at::Tensor& phi) { return (phi * 0).sum(-1); }

at::Tensor adapt(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, int64_t steps) {
  at::Tensor phi = problem.initial(theta);
  for (int64_t j = 0; j < steps; ++j) {
    phi = inner_step(problem, theta, phi, inner, j);
  }
  return phi;
}

void visit_descent(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                   const std::function<void(const at::Tensor& phi)>& visit) {
  at::Tensor phi = problem.initial(theta);
  visit(phi);
  for (int64_t j = 0; j < inner.steps; ++j) {
    phi = inner_step(problem, theta, phi, inner, j);
    visit(phi);
  }
}

std::vector<OuterValue> adaptation_curve(const Problem& problem, const at::Tensor& theta,
                                         const InnerOptions& inner) {
  std::vector<OuterValue> curve;
  visit_descent(problem, theta, inner, [&](const at::Tensor& phi) {
    curve.push_back(problem.outer_value(theta, phi));
    curve.back().loss = curve.back().loss + zero_or_nan(phi);
  });
  return curve;
}

}  // namespace ufo::bilevel
