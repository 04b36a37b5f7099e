#include "bilevel.h"

#include "estimate.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <pybind11/functional.h>
#include <torch/csrc/autograd/autograd.h>

namespace ufo::python {
namespace {

using Tasks = std::vector<int64_t>;

/// Python's functions of rows: theta [T, S] and phi [T, P] of the tasks of that number to losses [T], and
/// theta [T, S] to phi_0 [T, P]. They take the GIL themselves.
struct Functions {
  std::function<at::Tensor(const Tasks&, const at::Tensor&, const at::Tensor&)> inner, outer;
  std::function<at::Tensor(const Tasks&, const at::Tensor&)> initial;
};

/// Differentiated by autograd, all tasks in one call on the caller's thread.
class FunctionProblem final : public bilevel::Problem {
 public:
  FunctionProblem(const Functions& functions, Tasks tasks)
      : functions_(functions), tasks_(std::move(tasks)) {}

  int64_t tasks() const override { return static_cast<int64_t>(tasks_.size()); }

  std::unique_ptr<Problem> select(std::span<const int64_t> tasks) const override {
    Tasks chosen;
    for (const int64_t task : tasks) {
      chosen.push_back(tasks_[static_cast<size_t>(task)]);
    }
    return std::make_unique<FunctionProblem>(functions_, chosen);
  }

  at::Tensor initial(const at::Tensor& theta) const override {
    c10::NoGradGuard no_grad;
    return functions_.initial(tasks_, rows(theta));
  }

  at::Tensor initial_adjoint(const at::Tensor& theta, const at::Tensor& v) const override {
    c10::AutoGradMode enable(true);
    const at::Tensor leaf = rows(theta).clone().requires_grad_();
    const at::Tensor phi = functions_.initial(tasks_, leaf);
    return phi.requires_grad() ? torch::autograd::grad({phi}, {leaf}, {v}, false, false, true)[0]
                               : at::Tensor();
  }

  std::unique_ptr<bilevel::Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                                    bilevel::Products products) const override {
    return bilevel::linearize_by_autograd(
        [this](const at::Tensor& theta, const at::Tensor& phi) {
          return functions_.inner(tasks_, theta, phi);
        },
        theta, phi, products);
  }

  bilevel::OuterValue outer_value(const at::Tensor& theta, const at::Tensor& phi) const override {
    c10::NoGradGuard no_grad;
    return {.loss = functions_.outer(tasks_, rows(theta), phi), .accuracy = {}};
  }

  bilevel::OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override {
    return bilevel::outer_gradient_by_autograd(
        [this](const at::Tensor& theta, const at::Tensor& phi) -> bilevel::OuterValue {
          return {.loss = functions_.outer(tasks_, theta, phi), .accuracy = {}};
        },
        theta, phi);
  }

 private:
  /// A row of theta [S] a task.
  at::Tensor rows(const at::Tensor& theta) const {
    return theta.detach().unsqueeze(0).expand({tasks(), theta.size(0)});
  }

  const Functions& functions_;
  Tasks tasks_;
};

py::dict bilevel_gradient(const Functions& functions, int64_t tasks, const at::Tensor& theta,
                          const py::dict& inner, const py::dict& estimator) {
  EstimatorCall call = read_call(inner, estimator);
  Tasks all(static_cast<size_t>(tasks));
  std::iota(all.begin(), all.end(), int64_t{0});
  bilevel::MetaGradient estimate;
  {
    const py::gil_scoped_release release;  // autograd refuses to run with it
    estimate = run_estimator(call, FunctionProblem(functions, all), theta.detach(), {});
  }
  return to_dict(estimate, call);
}

}  // namespace

void bind_bilevel(py::module_& module) {
  module.def("bilevel", [](decltype(Functions::outer) outer, decltype(Functions::inner) inner,
                           decltype(Functions::initial) initial, int64_t tasks, const at::Tensor& theta,
                           const py::dict& inner_options, const py::dict& estimator) {
    const Functions functions{
        .inner = std::move(inner), .outer = std::move(outer), .initial = std::move(initial)};
    return bilevel_gradient(functions, tasks, theta, inner_options, estimator);
  });
}

}  // namespace ufo::python
