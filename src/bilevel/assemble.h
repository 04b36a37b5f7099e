#pragma once

#include <vector>

#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// The outer objective along an inner trajectory: its gradient at phi_r, or at phi_1, ..., phi_r where
/// Problem::outer_weights counts them all.
class OuterPath {
 public:
  OuterPath(const Problem& problem, const at::Tensor& theta, int64_t steps)
      : problem_(problem),
        theta_(theta),
        weights_(problem.outer_weights()),
        phi_(static_cast<size_t>(steps) + 1) {}

  /// Passes phi_j [T, P], in their order.
  void pass(int64_t j, const at::Tensor& phi);

  /// The weighted gradient by phi_j [T, P]; undefined where the objective there does not count.
  const at::Tensor& gradient(int64_t j) const { return phi_[static_cast<size_t>(j)]; }

  /// That by phi_r.
  const at::Tensor& end() const { return phi_.back(); }

  /// Likewise by theta with all phi held, [T, S - N - R]; may be undefined.
  const at::Tensor& partial() const { return partial_; }

  /// At phi_r.
  const OuterValue& value() const { return value_; }

  int64_t gradient_calls() const { return calls_ * problem_.tasks(); }

 private:
  const Problem& problem_;
  const at::Tensor& theta_;
  at::Tensor weights_, partial_;
  std::vector<at::Tensor> phi_;
  OuterValue value_;
  int64_t calls_ = 0;
};

/// The parts of a meta-gradient.
struct Parts {
  at::Tensor v;        ///< [T, P] the adjoint of phi_0
  at::Tensor partial;  ///< [T, S - N - R] dL_outer/dtheta with phi held; may be undefined
  at::Tensor mixed;    ///< [T, S - N - R] through the inner objective's own dependence on theta; likewise
  at::Tensor steps;    ///< [T, N] by the steps' own values of inner variables; undefined where there are none
  at::Tensor rates;    ///< [T, R] by the learned rates; undefined where R = 0
};

/// partial + (dphi_0/dtheta)^T v + mixed, any of whose terms may be absent, and behind it the steps' own
/// values and the rates: [T, S].
at::Tensor assemble(const Problem& problem, const at::Tensor& theta, const Parts& parts);

/// dL_outer/dalpha of step j, -(dalpha_j/dtheta)^T (g_j v_{j+1}), added to `sum` [T, R] (at first undefined).
/// Nothing where no rate is learned.
void add_rates(const Problem& problem, const at::Tensor& gradient, const at::Tensor& v, int64_t j,
               at::Tensor& sum);

/// Takes the adjoint v of where step j begins back to phi_j, as Problem::entry_adjoint does, and adds what
/// falls to the steps' own values to `sum` [T, N] (at first undefined).
void leave_entry(const Problem& problem, int64_t j, at::Tensor& v, at::Tensor& sum);

/// The first-order meta-gradient [T, S]: every Hessian is left out. `gradients` are g_0, ..., g_{r-1} [T, P]
/// where rates are learned, else none.
at::Tensor assemble_first_order(const Problem& problem, const at::Tensor& theta, const OuterPath& outer,
                                const std::vector<at::Tensor>& gradients, int64_t steps);

}  // namespace ufo::bilevel
