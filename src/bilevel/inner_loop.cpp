#include <ATen/ATen.h>

#include <ufo/bilevel/inner_loop.h>

namespace ufo::bilevel {

at::Tensor descend(const at::Tensor& phi, const at::Tensor& gradient, double learning_rate) {
  return at::sub(phi, gradient, learning_rate);
}

at::Tensor adapt(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, int64_t steps) {
  at::Tensor phi = problem.initial(theta);
  for (int64_t j = 0; j < steps; ++j) {
    phi = descend(phi, problem.linearize(theta, phi, Products::none)->gradient(), inner.learning_rate);
  }
  return phi;
}

std::vector<OuterValue> adaptation_curve(const Problem& problem, const at::Tensor& theta,
                                         const InnerOptions& inner) {
  at::Tensor phi = problem.initial(theta);
  std::vector<OuterValue> curve = {problem.outer_value(theta, phi)};
  for (int64_t j = 0; j < inner.steps; ++j) {
    phi = descend(phi, problem.linearize(theta, phi, Products::none)->gradient(), inner.learning_rate);
    curve.push_back(problem.outer_value(theta, phi));
  }
  return curve;
}

}  // namespace ufo::bilevel
