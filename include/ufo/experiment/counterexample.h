#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <ufo/base/options.h>
#include <ufo/bilevel/inner_loop.h>
#include <ufo/bilevel/problem.h>

namespace ufo::experiment {

// Two tasks on the real line for which SGD with first-order meta-gradients does not converge to a stationary
// point of M (arXiv 2006.03631, arXiv 2106.02487). Everything is float64; theta is one number.
//
// Why. Near its centre c_i = b_i / a_i task i is a_i (x - c_i)^2 / 2, and r steps of rate alpha take
// x - c_i to p_i (x - c_i), p_i = (1 - alpha a_i)^r. There the estimators have the means
//   E G_FO(x) = sum_i a_i p_i (x - c_i) / 2,    E G(x) = M'(x) = sum_i a_i p_i^2 (x - c_i) / 2.
// E G_FO never decreases in x (the tasks are convex and an inner step with alpha a_i < 1 keeps order), so SGD
// with rates that sum to infinity and whose squares do not comes to its only zero
//   x_FO = (p_1 b_1 + p_2 b_2) / (a_1 p_1 + a_2 p_2).
// With b_1 = 0, M' there is b_2 / 2 times ((a_1 p_1^2 + a_2 p_2^2) p_2 / (a_1 p_1 + a_2 p_2) - p_2^2), and
// b_2 is chosen so that |M'(x_FO)| = sqrt(2 D), whatever D was asked for: 0.3464 for D = 0.06. The second
// moment of the gradient of M stays at 2 D, above the D below which it never falls by the papers' theorem.

/// One task, f(x) with z = |x - centre|: a z^2 / 2 up to the radius A; then the curvature falls linearly to
/// zero over a length of 1, so that f is twice continuously differentiable:
/// -a (z - A)^3 / 6 + a (z - A)^2 / 2 + a A z - a A^2 / 2; then a line of slope a / 2 + a A.
struct Bowl {
  double curvature = 1;  ///< a
  double centre = 0;     ///< b / a
  double radius = 1;     ///< A

  double value(double x) const;
  double slope(double x) const;
  double second_derivative(double x) const;
};

/// The two tasks, drawn with probability 1/2 each, and their inner loop.
struct TwoTasks {
  std::array<Bowl, 2> bowls;
  bilevel::InnerOptions inner;
  double bias = 0;               ///< D
  double first_order_limit = 0;  ///< x_FO
  double optimum = 0;            ///< where M' = 0
  double gradient_bound = 0;     ///< sqrt(2 D) = |M'(x_FO)|
};

/// a = (0.5, 1.5), b_1 = 0, r = 10, alpha = 0.1, and b_2 and A such that first-order ends where
/// |M'| = sqrt(2 bias). Throws std::invalid_argument unless bias > 0.
TwoTasks make_two_tasks(double bias = 0.06);

/// T bowls with the initialisation theta [1] in common; inner and outer objective of a task are the same
/// bowl. Derivatives in closed form.
class BowlProblem final : public bilevel::Problem {
 public:
  explicit BowlProblem(std::vector<Bowl> bowls) : bowls_(std::move(bowls)) {}

  int64_t tasks() const override { return static_cast<int64_t>(bowls_.size()); }
  std::unique_ptr<bilevel::Problem> select(std::span<const int64_t> tasks) const override;
  std::unique_ptr<bilevel::Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                                    bilevel::Products products) const override;
  bilevel::OuterValue outer_value(const at::Tensor& theta, const at::Tensor& phi) const override;
  bilevel::OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override;

 private:
  std::vector<Bowl> bowls_;
};

struct CounterexampleOptions {
  int64_t seed = 1;
  int64_t runs = 10;
  int64_t steps = 10000;
  double q = 0.1;
  double outer_rate = 10;
  double lowest_start = -10, highest_start = 30;
  double bias = 0.06;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("seed", self.seed, at_least(0), "of the starts, the draws of tasks and the coins");
    field("runs", self.runs, at_least(1), "starts, the same ones for every estimator");
    field("steps", self.steps, at_least(1), "outer steps");
    field("q", self.q, positive_up_to(1), "UFO's probability of the exact branch");
    field("outer_rate", self.outer_rate, positive(), "c: outer step k has the rate c / (k + 1)");
    field("lowest_start", self.lowest_start, anything(), "starts are uniform between this");
    field("highest_start", self.highest_start, anything(), "and this");
    field("bias", self.bias, positive(), "D of the construction");
  }
};

/// SGD from one start.
struct SgdRun {
  double start = 0, end = 0;
  std::vector<double> gradient_norms;  ///< |M'(theta_k)| for each k of recorded_steps
};

/// One estimator from every start.
struct EstimatorRuns {
  std::string estimator;
  double q = 0;  ///< of UFO; 0 elsewhere
  std::vector<SgdRun> runs;
  double gradients_per_step = 0;  ///< mean gradient calls + 2 x Hessian products of an outer step

  /// The mean over the runs of |M'(theta)| after the last step, and of its square, which is what the theorem
  /// speaks of: first-order's goes to 2 D.
  double final_gradient_norm() const;
  double final_squared_norm() const;
};

/// The objectives at some x, for drawing.
struct Landscape {
  std::vector<double> x, first_task, second_task, meta_objective;
};

struct CounterexampleResult {
  TwoTasks tasks;
  std::vector<int64_t> recorded_steps;  ///< 0, then about twenty a decade up to the last
  std::vector<EstimatorRuns> estimators;
  Landscape landscape;
};

/// Runs SGD, one task drawn an outer step, with first_order, ufo and exact; the estimators of `bilevel` do
/// the work. A pure function of the options. Throws ConfigError for options out of range.
CounterexampleResult run_counterexample(const CounterexampleOptions& options);

}  // namespace ufo::experiment
