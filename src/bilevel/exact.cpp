#include "assemble.h"
#include "estimators.h"
#include "first_tasks.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

/// The inner trajectory phi_0, ..., phi_r, walked down once by all tasks and then back up by the first K,
/// keeping as much as `memory` says.
class Trajectory {
 public:
  Trajectory(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, const WayBack& back,
             const FirstTasks& returning)
      : returning_(returning),
        theta_(theta),
        inner_(inner),
        back_(back),
        outer_(problem, theta, inner.steps) {
    const auto kept = back.memory == Memory::store_linearizations ? back.products : Products::none;
    phi_ = problem.initial(theta);
    for (int64_t j = 0; j < inner.steps; ++j) {
      auto linearization = problem.linearize(theta, phi_, kept);
      if (back.memory == Memory::store_parameters) {
        stored_.push_back(phi_.narrow(0, 0, returning->tasks()));
      }
      const StepRate rate(problem, theta, inner, j);
      phi_ = descend(phi_, rate.weigh(linearization->gradient()), rate.common());
      if (problem.learned_rates() > 0) {
        gradients_.push_back(linearization->gradient());
      }
      if (back.memory == Memory::store_linearizations) {
        linearizations_.push_back(std::move(linearization));
      }
      outer_.pass(j + 1, phi_);
    }
  }

  const OuterPath& outer() const { return outer_; }

  /// The linearization at phi_j, to be asked for once each, from the last to the first.
  std::unique_ptr<Linearization> take(int64_t j) {
    if (back_.memory == Memory::store_linearizations) {
      return std::move(linearizations_[j]);
    }
    at::Tensor phi;
    if (back_.memory == Memory::store_parameters) {
      phi = std::move(stored_[j]);
    } else {
      phi = adapt(*returning_, theta_, inner_, j);
      gradient_calls_ += returning_->tasks() * j;
    }
    gradient_calls_ += returning_->tasks();
    return returning_->linearize(theta_, phi, back_.products);
  }

  /// g_0, ..., g_{r-1} [T, P] of all tasks; none where no rate is learned.
  const std::vector<at::Tensor>& gradients() const { return gradients_; }

  /// On the way up.
  int64_t gradient_calls() const { return gradient_calls_; }

 private:
  const FirstTasks& returning_;
  const at::Tensor& theta_;
  const InnerOptions& inner_;
  const WayBack& back_;
  OuterPath outer_;
  at::Tensor phi_;
  std::vector<at::Tensor> stored_, gradients_;
  std::vector<std::unique_ptr<Linearization>> linearizations_;
  int64_t gradient_calls_ = 0;
};

/// The first `count` rows, where there are any.
at::Tensor first_rows(const at::Tensor& rows, int64_t count) {
  return rows.defined() ? rows.narrow(0, 0, count) : rows;
}

/// G [K, S] of the tasks that return, from the trajectory that all of them walked down.
at::Tensor way_back(Trajectory& trajectory, const FirstTasks& returning, const at::Tensor& theta,
                    const InnerOptions& inner, const WayBack& back) {
  const OuterPath& outer = trajectory.outer();
  const int64_t exact_tasks = returning->tasks();
  at::Tensor v = first_rows(outer.gradient(inner.steps), exact_tasks), mixed, rates;
  for (int64_t j = inner.steps - 1; j >= 0; --j) {
    const auto linearization = trajectory.take(j);
    const StepRate rate(*returning, theta, inner, j);
    if (returning->learned_rates() > 0) {
      add_rates(*returning, first_rows(linearization->gradient(), exact_tasks), v, j, rates);
    }
    const at::Tensor weighed = rate.weigh(v);
    const at::Tensor cross = linearization->mixed_product(weighed);
    if (cross.defined()) {
      mixed = mixed.defined() ? at::sub(mixed, cross, rate.common()) : cross * -rate.common();
    }
    v = descend(v, linearization->hessian_product(weighed), rate.common());
    if (back.clip > 0) {
      v.clamp_(-back.clip, back.clip);
    }
    if (outer.gradient(j).defined()) {
      v = v + first_rows(outer.gradient(j), exact_tasks);
    }
  }
  return assemble(*returning, theta,
                  {.v = v,
                   .partial = first_rows(outer.partial(), exact_tasks),
                   .mixed = mixed.defined() ? returning->mixed_adjoint(theta, mixed) : mixed,
                   .rates = rates});
}

/// What `tasks` tasks gave, of which `exact_tasks` came back, without the estimates.
TaskGradients all_but_gradients(const Trajectory& trajectory, int64_t tasks, int64_t exact_tasks,
                                const InnerOptions& inner, const WayBack& back) {
  const OuterPath& outer = trajectory.outer();
  return {.gradient = {},
          .outer = outer.value(),
          .gradient_calls = tasks * inner.steps + outer.gradient_calls() + trajectory.gradient_calls(),
          .hessian_products = back.products.whole() ? exact_tasks * inner.steps : 0};
}

class Exact final : public Estimator {
 public:
  Exact(const InnerOptions& inner, const WayBack& back, double product)
      : inner_(inner), back_(back), work_(exact_work(inner, back.memory, product)) {}

  BranchWork work(bool) const override { return work_; }
  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, const ExactTasks&) const override {
    return exact_gradient(problem, theta, inner_, back_);
  }

 private:
  InnerOptions inner_;
  WayBack back_;
  BranchWork work_;
};

}  // namespace

TaskGradients exact_gradient(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                             const WayBack& back) {
  const FirstTasks all(problem, problem.tasks());
  Trajectory trajectory(problem, theta, inner, back, all);
  const at::Tensor gradient = way_back(trajectory, all, theta, inner, back);
  TaskGradients result = all_but_gradients(trajectory, problem.tasks(), problem.tasks(), inner, back);
  result.gradient = gradient;
  return result;
}

BothGradients both_gradients(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                             const WayBack& back, int64_t exact_tasks) {
  const FirstTasks returning(problem, exact_tasks);
  Trajectory trajectory(problem, theta, inner, back, returning);
  const at::Tensor exact = way_back(trajectory, returning, theta, inner, back);
  return {.first_order =
              assemble_first_order(problem, theta, trajectory.outer(), trajectory.gradients(), inner.steps),
          .exact = exact,
          .rest = all_but_gradients(trajectory, problem.tasks(), exact_tasks, inner, back)};
}

std::unique_ptr<Estimator> make_exact(const EstimatorOptions& options, const InnerOptions& inner,
                                      const ProductCosts& products) {
  const WayBack back{.memory = options.memory, .clip = options.clip_adjoint};
  return std::make_unique<Exact>(inner, back, products.whole);
}

}  // namespace ufo::bilevel
