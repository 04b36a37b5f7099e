#include "estimate.h"

namespace ufo::python {

EstimatorCall read_call(const py::dict& inner, const py::dict& estimator, int64_t least_steps) {
  EstimatorCall call{.seed = estimator["seed"].cast<uint64_t>(),
                     .step = estimator["step"].cast<uint64_t>(),
                     .state = estimator["state"].cast<EstimatorState>(),
                     .keep_tasks = estimator["keep_tasks"].cast<bool>()};
  read_options(estimator["options"].cast<py::dict>(), "estimator", call.options);
  read_options(inner, "inner", call.inner);
  check_range("inner.steps", call.inner.steps,
              between(static_cast<double>(least_steps), bilevel::kMostInnerSteps));
  return call;
}

bilevel::MetaGradient run_estimator(EstimatorCall& call, const bilevel::Problem& problem,
                                    const at::Tensor& theta, const bilevel::ProductCosts& products) {
  const auto estimator = bilevel::make_estimator(call.options, call.inner, products);
  bilevel::Coin coin = bilevel::make_coin(call.options, *estimator);
  if (!call.state.empty()) {
    coin.restore(call.state);
  }
  bilevel::MetaGradient estimate = bilevel::estimate_meta_gradient(
      problem, theta, *estimator, coin.toss(call.seed, call.step, problem.tasks()),
      call.keep_tasks ? bilevel::KeepTasks::yes : bilevel::KeepTasks::no);
  coin.observe(estimate);
  call.state = coin.state();
  return estimate;
}

py::dict to_dict(const bilevel::MetaGradient& estimate, const EstimatorCall& call) {
  py::dict result;
  result["gradient"] = estimate.gradient;
  result["loss"] = estimate.loss;
  result["accuracy"] = estimate.accuracy;
  result["tasks"] = estimate.tasks;
  result["exact_tasks"] = estimate.exact_tasks;
  result["bias_squared"] = estimate.bias_squared;
  result["norm_squared"] = estimate.norm_squared;
  result["gradient_calls"] = estimate.gradient_calls;
  result["hessian_products"] = estimate.hessian_products;
  result["task_gradients"] = call.keep_tasks ? py::cast(estimate.task_gradients) : py::none();
  result["state"] = call.state;
  return result;
}

}  // namespace ufo::python
