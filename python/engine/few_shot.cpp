#include "few_shot.h"

#include "episodes.h"
#include "estimate.h"

#include <optional>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/base/parallel.h>
#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/product_costs.h>

namespace ufo::python {
namespace {

/// What Hessian products count, where an adaptive q goes by it. Throws std::invalid_argument where the base
/// has more blocks than the network.
bilevel::ProductCosts costs_of(const ImageNetwork& network, const bilevel::EstimatorOptions& options) {
  const auto base = bilevel::base_of(options);
  if (base && base->second_order()) {
    network.network->layout().start_of_last(base->blocks());
  }
  return bilevel::adapts_q(options) ? bilevel::product_costs(*network.network, network.input, base)
                                    : bilevel::ProductCosts();
}

/// Only a prototype tells classes apart without an inner step.
int64_t least_steps(const ImageNetwork& network) { return network.head == nn::Head::prototype ? 0 : 1; }

py::dict meta_gradient(const ImageNetwork& network, const at::Tensor& theta, const at::Tensor& support_images,
                       const at::Tensor& support_labels, const at::Tensor& query_images,
                       const at::Tensor& query_labels, const py::dict& inner, const py::dict& estimator) {
  EstimatorCall call = read_call(inner, estimator, least_steps(network));
  bilevel::MetaGradient estimate;
  {
    const py::gil_scoped_release release;
    const bilevel::Learner learner(*network.network, call.inner, theta.options(), network.head);
    const at::Tensor start = checked_parameters("theta", theta, {learner.layout().size()});
    const Images support = checked_images(network, "support", -1, start, support_images, support_labels);
    const Images query =
        checked_images(network, "query", support.images.size(0), start, query_images, query_labels);
    const bilevel::ClassificationProblem problem(learner, support.images, support.labels, query.images,
                                                 query.labels);
    estimate = run_estimator(call, problem, start, costs_of(network, call.options));
  }
  return to_dict(estimate, call);
}

/// phi [T, P] of the tasks after as many inner steps, each task's found by a thread of its own on the CPU.
at::Tensor adapt(const ImageNetwork& network, const at::Tensor& theta, const at::Tensor& support_images,
                 const at::Tensor& support_labels, const py::dict& options,
                 const std::optional<int64_t>& steps_taken) {
  bilevel::InnerOptions inner;
  read_options(options, "inner", inner);
  const int64_t steps = steps_taken.value_or(inner.steps);
  check_range("steps", steps, between(static_cast<double>(least_steps(network)), bilevel::kMostInnerSteps));
  const py::gil_scoped_release release;
  const bilevel::Learner learner(*network.network, inner, theta.options(), network.head);
  const at::Tensor start = checked_parameters("theta", theta, {learner.layout().size()});
  const Images support = checked_images(network, "support", -1, start, support_images, support_labels);
  // The inner loop never looks at the query set, so that the support set may stand in for it.
  const bilevel::ClassificationProblem problem(learner, support.images, support.labels, support.images,
                                               support.labels);
  c10::NoGradGuard no_grad;
  if (problem.schedule() == bilevel::Schedule::whole_batch) {
    return problem.parameters(start, bilevel::adapt(problem, start, inner, steps));
  }
  at::Tensor phi = at::empty({problem.tasks(), network.network->layout().size()}, start.options());
  parallel_tasks(problem.tasks(), [&](int64_t task) {
    c10::NoGradGuard no_grad;  // the mode belongs to each thread
    const auto one = problem.select({&task, 1});
    phi.select(0, task).copy_(
        problem.parameters(start, bilevel::adapt(*one, start, inner, steps)).squeeze(0));
  });
  return phi;
}

/// Probabilities [T, R, N] of the query images.
at::Tensor predict(const ImageNetwork& network, const at::Tensor& phi, const at::Tensor& query_images,
                   const at::Tensor& support_images) {
  const py::gil_scoped_release release;
  c10::NoGradGuard no_grad;
  const at::Tensor parameters = checked_parameters("phi", phi, {-1, network.network->layout().size()});
  const int64_t tasks = parameters.size(0);
  return network.network
      ->query_logits(parameters, checked_images(network, "query", tasks, parameters, query_images),
                     checked_images(network, "support", tasks, parameters, support_images))
      .softmax(-1);
}

}  // namespace

void bind_few_shot(py::module_& module) {
  module.def("meta_gradient", meta_gradient);
  module.def("adapt", adapt);
  module.def("predict", predict);
}

}  // namespace ufo::python
