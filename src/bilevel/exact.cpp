#include "assemble.h"
#include "estimators.h"
#include "first_tasks.h"

#include <optional>

#include <ATen/ATen.h>

#include <ufo/base/plus.h>
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
    outer_.pass(0, phi_);
    for (int64_t j = 0; j < inner.steps; ++j) {
      phi_ = problem.enter(theta, phi_, j);
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

  /// The linearization where step j begins, to be asked for once each, from the last to the first.
  std::unique_ptr<Linearization> take(int64_t j) {
    if (back_.memory == Memory::store_linearizations) {
      return std::move(linearizations_[j]);
    }
    at::Tensor phi;
    if (back_.memory == Memory::store_parameters) {
      phi = std::move(stored_[j]);
    } else {
      phi = returning_->enter(theta_, adapt(*returning_, theta_, inner_, j), j);
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

/// An adjoint on its way from phi_r back to phi_0: that of G, or of a base that sees the Hessians' block of
/// the last `blocks` blocks alone.
class Adjoint {
 public:
  Adjoint(const Problem& problem, const at::Tensor& theta, const OuterPath& outer,
          std::optional<int64_t> blocks = std::nullopt)
      : problem_(problem), theta_(theta), outer_(outer), blocks_(blocks), v_(rows(outer.end())) {}

  /// From phi_{j+1} to phi_j; `linearization` is where step j begins.
  void pass(int64_t j, Linearization& linearization, const StepRate& rate, double clip) {
    add_rates(problem_, rows(linearization.gradient()), v_, j, rates_);
    const at::Tensor weighed = rate.weigh(v_);
    if (!blocks_) {
      const at::Tensor cross = linearization.mixed_product(weighed);
      if (cross.defined()) {
        mixed_ = mixed_.defined() ? at::sub(mixed_, cross, rate.common()) : cross * -rate.common();
      }
    }
    v_ = descend(
        v_, blocks_ ? linearization.block_product(weighed, *blocks_) : linearization.hessian_product(weighed),
        rate.common());
    if (clip > 0) {
      v_.clamp_(-clip, clip);
    }
    leave_entry(problem_, j, v_, own_);
    v_ = plus(v_, rows(outer_.gradient(j)));
  }

  /// [K, S], at phi_0.
  at::Tensor gradient() const {
    return assemble(problem_, theta_,
                    {.v = v_,
                     .partial = rows(outer_.partial()),
                     .mixed = mixed_.defined() ? problem_.mixed_adjoint(theta_, mixed_) : mixed_,
                     .steps = own_,
                     .rates = rates_});
  }

 private:
  /// Those of the tasks that return, where there are any.
  at::Tensor rows(const at::Tensor& all) const {
    return all.defined() ? all.narrow(0, 0, problem_.tasks()) : all;
  }

  const Problem& problem_;
  const at::Tensor& theta_;
  const OuterPath& outer_;
  std::optional<int64_t> blocks_;
  at::Tensor v_, mixed_, own_, rates_;
};

/// G of the tasks that return, from the trajectory that all of them walked down, and their G_B beside it
/// where `base` has blocks: [K, S] each.
struct WalkedBack {
  at::Tensor exact, base;
};

WalkedBack way_back(Trajectory& trajectory, const FirstTasks& returning, const at::Tensor& theta,
                    const InnerOptions& inner, const WayBack& back, Base base = Base::first_order()) {
  Adjoint exact(*returning, theta, trajectory.outer());
  std::optional<Adjoint> of_base;
  if (base.second_order()) {
    of_base.emplace(*returning, theta, trajectory.outer(), base.blocks());
  }
  for (int64_t j = inner.steps - 1; j >= 0; --j) {
    const auto linearization = trajectory.take(j);
    const StepRate rate(*returning, theta, inner, j);
    if (of_base) {
      of_base->pass(j, *linearization, rate, 0);
    }
    exact.pass(j, *linearization, rate, back.clip);
  }
  return {.exact = exact.gradient(), .base = of_base ? of_base->gradient() : at::Tensor()};
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

/// The tasks of `both`, and behind them those that have a base alone.
BothGradients with_others(BothGradients both, const TaskGradients& others) {
  TaskGradients& rest = both.rest;
  both.base = at::cat({both.base, others.gradient});
  rest.outer.loss = at::cat({rest.outer.loss, others.outer.loss});
  if (rest.outer.accuracy.defined()) {
    rest.outer.accuracy = at::cat({rest.outer.accuracy, others.outer.accuracy});
  }
  rest.gradient_calls += others.gradient_calls;
  rest.hessian_products += others.hessian_products;
  return both;
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
  const at::Tensor gradient = way_back(trajectory, all, theta, inner, back).exact;
  TaskGradients result = all_but_gradients(trajectory, problem.tasks(), problem.tasks(), inner, back);
  result.gradient = gradient;
  return result;
}

BothGradients both_gradients(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                             const WayBack& back, Base base, int64_t exact_tasks) {
  if (base.second_order() && exact_tasks < problem.tasks()) {
    const FirstTasks first(problem, exact_tasks);
    const auto others =
        base_gradient(*tasks_between(problem, exact_tasks, problem.tasks()), theta, inner, back.memory, base);
    return with_others(both_gradients(*first, theta, inner, back, base, exact_tasks), others);
  }
  const FirstTasks returning(problem, exact_tasks);
  Trajectory trajectory(problem, theta, inner, back, returning);
  auto [exact, of_base] = way_back(trajectory, returning, theta, inner, back, base);
  if (!base.second_order()) {
    of_base = assemble_first_order(problem, theta, trajectory.outer(), trajectory.gradients(), inner.steps);
  }
  return {.base = of_base,
          .exact = exact,
          .rest = all_but_gradients(trajectory, problem.tasks(), exact_tasks, inner, back)};
}

std::unique_ptr<Estimator> make_exact(const EstimatorOptions& options, const InnerOptions& inner,
                                      const ProductCosts& products) {
  const WayBack back{.memory = options.memory, .clip = options.clip_adjoint};
  return std::make_unique<Exact>(inner, back, products.whole);
}

}  // namespace ufo::bilevel
