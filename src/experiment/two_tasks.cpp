#include <cmath>
#include <stdexcept>

#include <ATen/ATen.h>

#include <ufo/experiment/counterexample.h>

namespace ufo::experiment {
namespace {

/// function(bowl t, phi[t]) for every task t, as [T, 1]: one tensor an evaluation, since at one number a task
/// the tensors are all the cost.
template <class Function>
at::Tensor for_each_task(const std::vector<Bowl>& bowls, const at::Tensor& phi, Function&& function) {
  at::Tensor result = at::empty({phi.size(0), 1}, phi.options());
  const double* from = phi.const_data_ptr<double>();
  double* to = result.mutable_data_ptr<double>();
  for (size_t t = 0; t < bowls.size(); ++t) {
    to[t] = function(bowls[t], from[static_cast<int64_t>(t) * phi.stride(0)]);
  }
  return result;
}

at::Tensor slopes(const std::vector<Bowl>& bowls, const at::Tensor& phi) {
  return for_each_task(bowls, phi, [](const Bowl& bowl, double x) { return bowl.slope(x); });
}

class BowlLinearization final : public bilevel::Linearization {
 public:
  BowlLinearization(const std::vector<Bowl>& bowls, const at::Tensor& phi, bilevel::Products products)
      : gradient_(slopes(bowls, phi)) {
    bilevel::require_all_or_none(products);
    if (products.any()) {
      hessian_ =
          for_each_task(bowls, phi, [](const Bowl& bowl, double x) { return bowl.second_derivative(x); });
    }
  }

  const at::Tensor& gradient() const override { return gradient_; }
  at::Tensor hessian_product(const at::Tensor& v) override { return hessian_ * v; }

 private:
  at::Tensor gradient_, hessian_;
};

}  // namespace

double Bowl::value(double x) const {
  const double z = std::abs(x - centre), beyond = z - radius;
  if (beyond <= 0) {
    return curvature * z * z / 2;
  }
  const double s = std::min(beyond, 1.0);  // where the line begins, the cubic ends
  const double inside =
      curvature * (-s * s * s / 6 + s * s / 2 + radius * (radius + s) - radius * radius / 2);
  return inside + (beyond - s) * (curvature / 2 + curvature * radius);
}

double Bowl::slope(double x) const {
  const double offset = x - centre, beyond = std::abs(offset) - radius;
  if (beyond <= 0) {
    return curvature * offset;
  }
  const double s = std::min(beyond, 1.0);
  return std::copysign(curvature * (radius + s - s * s / 2), offset);
}

double Bowl::second_derivative(double x) const {
  const double beyond = std::abs(x - centre) - radius;
  return beyond <= 0 ? curvature : curvature * std::max(1 - beyond, 0.0);
}

TwoTasks make_two_tasks(double bias) {
  if (!(bias > 0)) {
    throw std::invalid_argument("make_two_tasks: need a bias above 0, got " + std::to_string(bias));
  }
  const bilevel::InnerOptions inner{.steps = 10, .learning_rate = 0.1};
  const double a1 = 0.5, a2 = 1.5;
  const auto decay = [&](double a) {
    return std::pow(1 - inner.learning_rate * a, static_cast<double>(inner.steps));
  };
  const double p1 = decay(a1), p2 = decay(a2);
  const double first_order = a1 * p1 + a2 * p2, exact = a1 * p1 * p1 + a2 * p2 * p2;
  const double gradient_bound = std::sqrt(2 * bias);
  const double b2 = 2 * gradient_bound / std::abs(exact * p2 / first_order - p2 * p2);
  const double radius = b2 / a2 + 1;  // beyond the other's centre, so that both limits lie in both parabolas
  return {.bowls = {Bowl{a1, 0, radius}, Bowl{a2, b2 / a2, radius}},
          .inner = inner,
          .bias = bias,
          .first_order_limit = p2 * b2 / first_order,
          .optimum = p2 * p2 * b2 / exact,
          .gradient_bound = gradient_bound};
}

std::unique_ptr<bilevel::Problem> BowlProblem::select(std::span<const int64_t> tasks) const {
  std::vector<Bowl> chosen;
  for (const int64_t task : tasks) {
    chosen.push_back(bowls_.at(static_cast<size_t>(task)));
  }
  return std::make_unique<BowlProblem>(std::move(chosen));
}

std::unique_ptr<bilevel::Linearization> BowlProblem::linearize(const at::Tensor&, const at::Tensor& phi,
                                                               bilevel::Products products) const {
  return std::make_unique<BowlLinearization>(bowls_, phi, products);
}

bilevel::OuterValue BowlProblem::outer_value(const at::Tensor&, const at::Tensor& phi) const {
  const auto values = for_each_task(bowls_, phi, [](const Bowl& bowl, double x) { return bowl.value(x); });
  return {.loss = values.squeeze(1), .accuracy = {}};
}

bilevel::OuterGradient BowlProblem::outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const {
  return {.value = outer_value(theta, phi), .phi = slopes(bowls_, phi), .theta = {}};
}

}  // namespace ufo::experiment
