#include <stdexcept>

#include <ATen/ATen.h>

#include <ufo/bilevel/inner_adam.h>
#include <ufo/bilevel/inner_loop.h>

namespace ufo::bilevel {

at::Tensor descend(const at::Tensor& phi, const at::Tensor& gradient, double learning_rate) {
  return at::sub(phi, gradient, learning_rate);
}

namespace {

/// phi_{j+1} from phi_j along what `direction` makes of the inner gradient.
template <class Direction>
at::Tensor step_along(const Problem& problem, const at::Tensor& theta, const at::Tensor& phi,
                      const InnerOptions& inner, int64_t j, const Direction& direction) {
  const StepRate rate(problem, theta, inner, j);
  const at::Tensor start = problem.enter(theta, phi, j);
  const at::Tensor gradient = problem.linearize_step(theta, start, j)->gradient();
  return descend(start, rate.weigh(direction(gradient)), rate.common());
}

}  // namespace

at::Tensor inner_step(const Problem& problem, const at::Tensor& theta, const at::Tensor& phi,
                      const InnerOptions& inner, int64_t j, std::vector<at::Tensor>* gradients) {
  return step_along(problem, theta, phi, inner, j, [&](const at::Tensor& gradient) {
    if (gradients != nullptr) {
      gradients->push_back(gradient);
    }
    return gradient;
  });
}

InnerLoop::InnerLoop(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner)
    : problem_(problem), theta_(theta), inner_(inner), phi_(problem.initial(theta)) {
  if (const at::Tensor state = problem.adam_state(theta); state.defined()) {
    const at::Tensor of_tasks = state.unsqueeze(0).expand({problem.tasks(), state.size(0)});
    square_ = of_tasks.slice(1, 0, -1);
    weight_ = of_tasks.slice(1, -1);
  } else if (inner.optimizer == InnerOptimizer::adam) {
    throw std::invalid_argument(
        "inner.optimizer: need gradient_descent for a problem whose theta has no state of Adam, got adam");
  }
}

void InnerLoop::step() {
  phi_ = step_along(problem_, theta_, phi_, inner_, j_++, [this](const at::Tensor& gradient) {
    return square_.defined() ? adapted_gradient(gradient) : gradient;
  });
}

/// The gradient over the root of its mean square, which it becomes a part of.
at::Tensor InnerLoop::adapted_gradient(const at::Tensor& gradient) {
  constexpr double kDecay = InnerAdam::kDecay;
  square_ = at::add(square_ * kDecay, gradient.square(), 1 - kDecay);
  weight_ = weight_ * kDecay + (1 - kDecay);
  return gradient / ((square_ / weight_).sqrt() + InnerAdam::kEpsilon);
}

at::Tensor InnerLoop::adam_state() const {
  return square_.defined() ? at::cat({square_, weight_}, 1) : at::Tensor();
}

at::Tensor zero_or_nan(const at::Tensor& phi) { return (phi * 0).sum(-1); }

at::Tensor adapt(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, int64_t steps) {
  InnerLoop loop(problem, theta, inner);
  for (int64_t j = 0; j < steps; ++j) {
    loop.step();
  }
  return loop.phi();
}

void visit_descent(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                   const std::function<void(const at::Tensor& phi)>& visit) {
  InnerLoop loop(problem, theta, inner);
  visit(loop.phi());
  for (int64_t j = 0; j < inner.steps; ++j) {
    loop.step();
    visit(loop.phi());
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
