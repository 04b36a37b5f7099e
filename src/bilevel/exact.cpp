#include "assemble.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

/// The inner trajectory phi_0, ..., phi_r, walked down once and then back up, keeping as much as `memory`
/// says.
class Trajectory {
 public:
  Trajectory(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, Memory memory)
      : problem_(problem), theta_(theta), inner_(inner), memory_(memory) {
    const auto products = memory == Memory::store_linearizations ? Products::second_order : Products::none;
    phi_ = problem.initial(theta);
    for (int64_t j = 0; j < inner.steps; ++j) {
      auto linearization = problem.linearize(theta, phi_, products);
      gradient_calls_ += problem.tasks();
      if (memory == Memory::store_parameters) {
        stored_.push_back(phi_);
      }
      phi_ = descend(phi_, linearization->gradient(), inner.learning_rate);
      if (memory == Memory::store_linearizations) {
        linearizations_.push_back(std::move(linearization));
      }
    }
  }

  /// phi_r
  const at::Tensor& end() const { return phi_; }

  /// The linearization at phi_j, to be asked for once each, from the last to the first.
  std::unique_ptr<Linearization> take(int64_t j) {
    if (memory_ == Memory::store_linearizations) {
      return std::move(linearizations_[j]);
    }
    at::Tensor phi;
    if (memory_ == Memory::store_parameters) {
      phi = std::move(stored_[j]);
    } else {
      phi = adapt(problem_, theta_, inner_, j);
      gradient_calls_ += problem_.tasks() * j;
    }
    gradient_calls_ += problem_.tasks();
    return problem_.linearize(theta_, phi, Products::second_order);
  }

  int64_t gradient_calls() const { return gradient_calls_; }

 private:
  const Problem& problem_;
  const at::Tensor& theta_;
  const InnerOptions& inner_;
  Memory memory_;
  at::Tensor phi_;
  std::vector<at::Tensor> stored_;
  std::vector<std::unique_ptr<Linearization>> linearizations_;
  int64_t gradient_calls_ = 0;
};

}  // namespace

at::Tensor assemble(const Problem& problem, const at::Tensor& theta, const OuterGradient& outer,
                    const at::Tensor& v, const at::Tensor& mixed) {
  at::Tensor sum = problem.initial_adjoint(theta, v);
  for (const auto& term : {outer.theta, mixed}) {
    if (term.defined()) {
      sum = sum.defined() ? sum + term : term;
    }
  }
  return sum.defined() ? sum : at::zeros({problem.tasks(), theta.size(0)}, theta.options());
}

TaskGradients exact_gradient(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                             Memory memory) {
  Trajectory trajectory(problem, theta, inner, memory);
  const OuterGradient outer = problem.outer_gradient(theta, trajectory.end());

  at::Tensor v = outer.phi, mixed;
  for (int64_t j = inner.steps - 1; j >= 0; --j) {
    const auto linearization = trajectory.take(j);
    const at::Tensor cross = linearization->mixed_product(v);
    if (cross.defined()) {
      mixed = mixed.defined() ? at::sub(mixed, cross, inner.learning_rate) : cross * -inner.learning_rate;
    }
    v = descend(v, linearization->hessian_product(v), inner.learning_rate);
  }
  return {.gradient = assemble(problem, theta, outer, v, mixed),
          .outer = outer.value,
          .first_order = assemble(problem, theta, outer, outer.phi, {}),
          .gradient_calls = trajectory.gradient_calls() + problem.tasks(),
          .hessian_products = problem.tasks() * inner.steps};
}

}  // namespace ufo::bilevel
