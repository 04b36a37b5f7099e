#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/bilevel/adaptive_probability.h>
#include <ufo/bilevel/coin.h>
#include <ufo/bilevel/inner_loop.h>
#include <ufo/bilevel/problem.h>
#include <ufo/nn/head.h>

namespace ufo::bilevel {

/// Whose second derivatives an approximate meta-gradient keeps: nobody's, which is the first-order gradient,
/// or those of the network's head and of the last blocks before it (Products::of_last).
class Base {
 public:
  static constexpr Base first_order() { return Base(-1); }
  static constexpr Base last(int64_t blocks) { return Base(blocks); }
  static constexpr Base of_the_estimator() { return Base(-2); }  ///< left to each: base_of()

  bool is_given() const { return blocks_ >= -1; }
  bool second_order() const { return blocks_ >= 0; }
  int64_t blocks() const { return blocks_; }  ///< beside the head
  bool operator==(const Base&) const = default;

 private:
  explicit constexpr Base(int64_t blocks) : blocks_(blocks) {}
  int64_t blocks_;
};

inline void check_range(std::string_view, const Base&, const Range&) {}

/// The names of the estimators in configs.
std::vector<std::string> estimator_names();

/// Which estimate of the meta-gradient, and how its exact branch uses memory.
struct EstimatorOptions {
  std::string estimator = "exact";
  Base base = Base::of_the_estimator();
  CoinProbability q;
  double q_minimum = 0.05;
  double q_decay = 0.99;
  CostUnit q_cost = CostUnit::gradient_calls;
  Memory memory = Memory::store_linearizations;
  double clip_adjoint = 0;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("estimator", self.estimator, one_of(estimator_names()), "meta-gradient estimator");
    field(
        "base", self.base, at_least(0),
        "whose second derivatives partial keeps, and what ufo corrects: \"first_order\" (nobody's), \"head\" (the "
        "head's), k (those of the last k blocks and the head), or \"auto\": 1 for partial, \"first_order\" for ufo, as "
        "in its paper");
    field(
        "q", self.q, positive_up_to(1),
        "ufo: probability that a task takes the exact branch; {\"from\": a, \"to\": b} goes from a to b along the "
        "run, \"adaptive\" chooses the one of least variance for the work, from running means of D^2 and V^2");
    field("q_minimum", self.q_minimum, positive_up_to(1), "adaptive q: never below this");
    field("q_decay", self.q_decay, between(0, 0.999999),
          "decay of the running means of D^2 and V^2, an outer step with exact tasks");
    field(
        "q_cost", self.q_cost, one_of_words<CostUnit>(),
        "adaptive q: what the work is counted in; measured seconds make q, and with it the run, differ from "
        "one time to the next");
    field("memory", self.memory, one_of_words<Memory>(),
          "exact branch: keep r linearizations (fastest), only phi_0..phi_r, or nothing (constant memory, "
          "r(r-1)/2 more gradients)");
    field(
        "clip_adjoint", self.clip_adjoint, at_least(0),
        "exact branch: clip each element of the adjoint to +- this after every inner step on the way back, as the UFO "
        "paper's code does (0: off); it biases the estimate");
  }
};

/// Which tasks of a batch take the exact branch: `count` of them, which lie first. Where a device does the
/// same work again and again, `weights` says which of the first tasks these are this time.
struct ExactTasks {
  int64_t count = 0;
  double probability = 1;   ///< q of the coins that said so
  at::Tensor weights = {};  ///< [count], xi / q of each; undefined where xi = 1 for all
};

/// What T tasks gave, the first K on the exact branch. Undefined tensors where a quantity does not apply.
struct TaskGradients {
  at::Tensor gradient;           ///< [T, S] the estimates
  OuterValue outer;              ///< at phi_r
  at::Tensor bias_squared;       ///< [K] ||G - base||^2, whose mean is D^2; UFO alone
  at::Tensor norm_squared;       ///< [K] ||G||^2, whose mean is V^2; UFO alone
  int64_t gradient_calls = 0;    ///< gradients of inner or outer objectives, all tasks together
  int64_t hessian_products = 0;  ///< with whole Hessians, all tasks together
};

/// An estimator of the meta-gradient dM/dtheta. A task takes one of two branches, of which the exact one runs
/// through second derivatives; a Coin says which.
class Estimator {
 public:
  virtual ~Estimator() = default;

  /// What the estimate of one task takes on either branch.
  virtual BranchWork work(bool exact_branch) const = 0;

  /// The estimates of all tasks of `problem`, each on the branch that `exact` says. Where the branch is
  /// always the same, `exact` says nothing new.
  virtual TaskGradients estimate(const Problem& problem, const at::Tensor& theta,
                                 const ExactTasks& exact) const = 0;
};

/// Makes the estimator that `options` names, which counts its costs by `products`. Throws ConfigError for
/// values out of range.
std::unique_ptr<Estimator> make_estimator(const EstimatorOptions& options, const InnerOptions& inner,
                                          const ProductCosts& products = {});

/// What decides the branches of `estimator`, made from the same options.
Coin make_coin(const EstimatorOptions& options, const Estimator& estimator);

/// The name by which papers know the estimator with its inner loop: "MAML", "FOMAML", "UFO-MAML (q=0.1)",
/// "Partial MAML (head + 2)", "ANIL", "First-order BOIL", "Meta-SGD", "MAML + LSLR", "ProtoNet", "ProtoMAML",
/// "ANIL + shared head", "Nearest class mean". `known_as` is the name of a recipe that these options are a
/// part of: "MAML++", "First-order MAML++".
std::string method_name(const EstimatorOptions& options, const InnerOptions& inner = {},
                        nn::Head head = nn::Head::linear, std::string_view known_as = {});

/// Whether the estimator tosses coins for its branches, and whether their q follows from earlier steps.
bool tosses_coins(const EstimatorOptions& options);
bool adapts_q(const EstimatorOptions& options);

/// Whether the estimate takes a gradient of the outer objective.
bool has_outer_gradient(const EstimatorOptions& options);

/// Whether what is learned is a classifier of all training classes, without an inner loop, whose features
/// alone are evaluated.
bool trains_classifier(const EstimatorOptions& options);

/// The base of the estimator that `options` names; none where it has none.
std::optional<Base> base_of(const EstimatorOptions& options);

/// G_FO = dL_outer/dtheta + (dphi_0/dtheta)^T dL_outer/dphi(phi_r): the meta-gradient with every Hessian left
/// out.
TaskGradients first_order_gradient(const Problem& problem, const at::Tensor& theta,
                                   const InnerOptions& inner);

/// How the adjoint goes back through the inner steps.
struct WayBack {
  Memory memory = Memory::store_linearizations;
  Products products = Products::second_order;
  double clip = 0;  ///< after each step every element of the adjoint is clipped to +- this; 0: never
};

/// G, the gradient of M itself: v_r = dL_outer/dphi(phi_r), v_j = v_{j+1} - alpha H_j v_{j+1}, and
/// G = dL_outer/dtheta + (dphi_0/dtheta)^T v_0 - alpha sum_j (d^2 L_inner/dtheta dphi(phi_j))^T v_{j+1}
/// (arXiv 2006.03631). Where steps have values of their own (Problem::enter), v_j's part by these goes there.
/// With `products` of fewer than all inner variables every H_j is that block of the Hessian: the gradient of
/// `partial`.
TaskGradients exact_gradient(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                             const WayBack& back);
inline TaskGradients exact_gradient(const Problem& problem, const at::Tensor& theta,
                                    const InnerOptions& inner, Memory memory) {
  return exact_gradient(problem, theta, inner, WayBack{.memory = memory});
}

/// The approximate meta-gradient G_B that keeps the second derivatives of `base`.
TaskGradients base_gradient(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                            Memory memory, Base base);

/// G_B of all tasks and G of the first K.
struct BothGradients {
  at::Tensor base;     ///< [T, S]
  at::Tensor exact;    ///< [K, S]
  TaskGradients rest;  ///< all but the estimates
};

/// Both in one walk a task: down to phi_r, where G_FO is, and back up with the first `exact_tasks` > 0, whose
/// linearizations serve the adjoints of G and of a base with second derivatives alike.
BothGradients both_gradients(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                             const WayBack& back, Base base, int64_t exact_tasks);

}  // namespace ufo::bilevel
