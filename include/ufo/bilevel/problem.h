#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include <ATen/core/Tensor.h>

namespace ufo::bilevel {

// T tasks, S outer variables (theta), P inner variables (phi). In few-shot learning S = P: theta is the
// initialisation of phi.

/// Which products a caller will ask of a Linearization.
class Products {
 public:
  static const Products none, second_order;

  /// Products with P H P, where P keeps the inner variables of a network's head and of the last `blocks`
  /// blocks before it and sets all others to zero: with the Hessian's block of these variables. The rest
  /// costs nothing. Only for problems that tell such blocks apart (ClassificationProblem).
  static constexpr Products of_last(int64_t blocks) { return Products(Kind::some, blocks); }

  bool any() const { return kind_ != Kind::none; }
  bool whole() const { return kind_ == Kind::whole; }

  /// The argument of of_last.
  int64_t blocks() const { return blocks_; }

 private:
  enum class Kind { none, some, whole };
  explicit constexpr Products(Kind kind, int64_t blocks = 0) : kind_(kind), blocks_(blocks) {}

  Kind kind_;
  int64_t blocks_;
};

inline constexpr Products Products::none{Kind::none}, Products::second_order{Kind::whole};

/// For problems whose inner variables have no blocks. Throws std::invalid_argument for products of_last.
void require_all_or_none(Products products);

/// The inner objective of T tasks linearised at one point: its gradient there, and products with its second
/// derivatives at the same point.
class Linearization {
 public:
  virtual ~Linearization() = default;

  /// d L_inner / d phi, [T, P].
  virtual const at::Tensor& gradient() const = 0;

  /// (d^2 L_inner / d phi^2) v for v [T', P] of the first T' <= T tasks, or P times that of P v
  /// (Products::of_last): [T', P]. Only where such products were asked for, and never of more tasks than the
  /// last time.
  virtual at::Tensor hessian_product(const at::Tensor& v) = 0;

  /// P times the product of P v, for P of Products::of_last(blocks), likewise: what another adjoint takes
  /// that passes by. Only where products of no fewer blocks were asked for. By default throws
  /// std::invalid_argument, as is right for problems without blocks.
  virtual at::Tensor block_product(const at::Tensor& v, int64_t blocks);

  /// (d^2 L_inner / d theta d phi)^T v for v [T', P], likewise: [T', S - N - R], or what
  /// Problem::mixed_adjoint makes that of; an undefined tensor where the inner objective does not depend on
  /// theta, as in MAML.
  virtual at::Tensor mixed_product(const at::Tensor& v) { return {}; }
};

/// The outer objective of T tasks at one point.
struct OuterValue {
  at::Tensor loss;      ///< [T]
  at::Tensor accuracy;  ///< [T]; undefined for problems that are no classification
};

/// The same with its gradient.
struct OuterGradient {
  OuterValue value;
  at::Tensor phi;    ///< d L_outer / d phi, [T, P]
  at::Tensor theta;  ///< the partial derivative by theta with phi held, [T, S]; undefined where there is none
};

/// How the tasks of a batch are best worked on: all in one call, or one at a time, each by a thread of its
/// own.
enum class Schedule { whole_batch, task_by_task };

/// T bilevel problems with common outer variables theta (arXiv 2006.03631):
///   minimise over theta the mean of L_outer(theta, phi_r), where phi_0 = initial(theta) and
///   phi_{j+1} = phi_j - alpha dL_inner/dphi(theta, phi_j).
/// Of theta the last variables may belong to the steps of the inner loop: N that steps set their own inner
/// variables to (step_values()), and behind them R rates (learned_rates()). Derivatives by theta are then by
/// the others, S - N - R, but for entry_adjoint and rates_adjoint. Where N = R = 0, what the inner loop's
/// Adam carries on may lie there instead (adam_state()), which is no variable at all. All functions are pure;
/// different threads may call them at once.
class Problem {
 public:
  virtual ~Problem() = default;

  virtual int64_t tasks() const = 0;

  /// The same problem reduced to some of its tasks (indices in [0, T)), cheap: the data are shared where
  /// possible.
  virtual std::unique_ptr<Problem> select(std::span<const int64_t> tasks) const = 0;

  virtual Schedule schedule() const { return Schedule::whole_batch; }

  /// phi_0 [T, P] for theta [S]. By default theta itself for every task.
  virtual at::Tensor initial(const at::Tensor& theta) const;

  /// The adjoint of `initial`: v [T, P] to (d phi_0 / d theta)^T v [T, S]; an undefined tensor where phi_0
  /// does not depend on theta. By default v itself.
  virtual at::Tensor initial_adjoint(const at::Tensor& theta, const at::Tensor& v) const { return v; }

  /// Where theta enters the inner objective through values m(theta) that no inner step changes, mixed_product
  /// may stop at them: this makes (d m / d theta)^T w [T, S - N - R] of w [T, M], once for the sum of all
  /// steps. By default m is theta.
  virtual at::Tensor mixed_adjoint(const at::Tensor& theta, const at::Tensor& w) const { return w; }

  /// Where inner step j begins: at phi_j [T, P], of which the variables that no step changes, but each has
  /// values of its own for (batch norm's in MAML++, arXiv 1810.09502), are set to those of step j. By default
  /// phi_j itself.
  virtual at::Tensor enter(const at::Tensor& theta, const at::Tensor& phi, int64_t j) const { return phi; }

  /// N, how many outer variables are such values, of the steps after the first.
  virtual int64_t step_values() const { return 0; }

  /// The adjoint of `enter`: of w [T, P] leaves in place what goes on to phi_j, and gives that by those N
  /// alone, [T, N]. Only where N > 0.
  virtual at::Tensor entry_adjoint(at::Tensor& w, int64_t j) const { return {}; }

  /// The rates alpha_j [P] of inner step j, one an inner variable; undefined where
  /// InnerOptions::learning_rate is that of all.
  virtual at::Tensor rates(const at::Tensor& theta, int64_t j) const { return {}; }

  /// R, how many of the outer variables are inner rates.
  virtual int64_t learned_rates() const { return 0; }

  /// The adjoint of `rates`: w [T, P] to (d alpha_j / d theta)^T w by those R alone, [T, R]; only where R >
  /// 0.
  virtual at::Tensor rates_adjoint(const at::Tensor& w, int64_t j) const { return {}; }

  /// What Adam begins the inner loop with, [A] as InnerAdam has it; undefined where the inner loop is
  /// gradient descent.
  virtual at::Tensor adam_state(const at::Tensor& theta) const { return {}; }

  /// The inner objective of step j at phi [T, P], without its second derivatives; another one where a step
  /// sees some of the data alone. By default that of linearize.
  virtual std::unique_ptr<Linearization> linearize_step(const at::Tensor& theta, const at::Tensor& phi,
                                                        int64_t j) const;

  /// Throws std::invalid_argument for products of blocks that the problem does not have.
  virtual std::unique_ptr<Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                                   Products products) const = 0;

  /// Weights [r] of the outer objective at phi_1, ..., phi_r, whose weighted sum is then minimised (MAML++'s
  /// multi-step loss, arXiv 1810.09502); undefined where that at phi_r alone counts.
  virtual at::Tensor outer_weights() const { return {}; }

  virtual OuterValue outer_value(const at::Tensor& theta, const at::Tensor& phi) const = 0;

  virtual OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const = 0;
};

/// An objective for autograd: theta [T, S] (each task sees a copy of its own) and phi [T, P] to T losses [T],
/// each a function of its own task's row alone.
using Objective = std::function<at::Tensor(const at::Tensor& theta, const at::Tensor& phi)>;

/// Linearizes any twice differentiable inner objective by autograd. theta [S], phi [T, P].
/// The graph of the gradient is kept only for second_order. Throws std::invalid_argument for products
/// of_last.
std::unique_ptr<Linearization> linearize_by_autograd(const Objective& inner, const at::Tensor& theta,
                                                     const at::Tensor& phi, Products products);

/// As an Objective, with the accuracy beside the loss where there is one.
using OuterObjective = std::function<OuterValue(const at::Tensor& theta, const at::Tensor& phi)>;

/// The outer objective with its gradient by autograd. theta [S], phi [T, P].
OuterGradient outer_gradient_by_autograd(const OuterObjective& outer, const at::Tensor& theta,
                                         const at::Tensor& phi);

}  // namespace ufo::bilevel
