#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>

#include <ufo/base/options.h>
#include <ufo/bilevel/problem.h>

namespace ufo::bilevel {

/// What shares an inner rate.
enum class RatesPer { run, layer, layer_and_step, parameter };

/// Which parameters the inner loop changes.
enum class Adapt { all, body, head };

/// What makes an inner step of an inner gradient: adam has beta1 = 0, and so no mean of the gradients.
enum class InnerOptimizer { gradient_descent, adam };

}  // namespace ufo::bilevel

template <>
struct ufo::Words<ufo::bilevel::RatesPer> {
  using enum bilevel::RatesPer;
  static constexpr std::pair<bilevel::RatesPer, const char*> table[] = {
      {run, "run"}, {layer, "layer"}, {layer_and_step, "layer_and_step"}, {parameter, "parameter"}};
};

template <>
struct ufo::Words<ufo::bilevel::Adapt> {
  using enum bilevel::Adapt;
  static constexpr std::pair<bilevel::Adapt, const char*> table[] = {
      {all, "all"}, {body, "body"}, {head, "head"}};
};

template <>
struct ufo::Words<ufo::bilevel::InnerOptimizer> {
  using enum bilevel::InnerOptimizer;
  static constexpr std::pair<bilevel::InnerOptimizer, const char*> table[] = {
      {gradient_descent, "gradient_descent"}, {adam, "adam"}};
};

namespace ufo::bilevel {

/// More inner steps than anybody takes, so that counts of them fit 64 bits.
inline constexpr double kMostInnerSteps = 1 << 20;

/// Nor does anybody take more images at once.
inline constexpr double kMostInnerBatch = 1 << 20;

/// Inner rates that differ or are learned.
struct InnerRateOptions {
  RatesPer per = RatesPer::run;
  bool learned = false;
  bool below_zero = false;
  double body = 0;
  double head = 0;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("per", self.per, one_of_words<RatesPer>(),
          "what has a learned rate of its own: the run, each layer, each layer in each inner step (LSLR of "
          "MAML++), or each parameter (Meta-SGD)");
    field("learned", self.learned, anything(),
          "whether the inner rates are outer variables, and the outer loop moves them too");
    field("below_zero", self.below_zero, anything(), "whether learned rates may fall below 0");
    field("body", self.body, at_least(0),
          "the rate of all layers but the head, or its start (0: inner.learning_rate)");
    field("head", self.head, at_least(0), "the rate of the head, or its start (0: inner.learning_rate)");
  }
};

/// The inner loop: r steps with rate alpha.
struct InnerOptions {
  int64_t steps = 1;
  double learning_rate = 0.4;
  InnerOptimizer optimizer = InnerOptimizer::gradient_descent;
  int64_t batch = 0;
  InnerRateOptions rates = {};
  Adapt adapt = Adapt::all;
  bool norm = true;
  double weight_decay = 0;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("steps", self.steps, between(0, kMostInnerSteps),
          "inner gradient steps in training (r); 0 where model.head is prototype (ProtoNet)");
    field("learning_rate", self.learning_rate, positive(),
          "inner step size for the mean cross-entropy (alpha)");
    field("optimizer", self.optimizer, one_of_words<InnerOptimizer>(),
          "what makes an inner step of a gradient: gradient_descent, or reptile's adam with beta1 = 0, whose "
          "running mean of squares goes on from task to task");
    field(
        "batch", self.batch, between(0, kMostInnerBatch),
        "reptile: support images of one inner step in training, the next ones each time, one of every class "
        "before a second (0: all)");
    field("rates", self.rates, anything(), "inner rates that differ or are learned");
    field("adapt", self.adapt, one_of_words<Adapt>(),
          "what the inner loop changes: all, the head alone (ANIL), or the body, all but the head (BOIL)");
    field("norm", self.norm, anything(),
          "whether the inner loop changes batch norm's own weights and biases too (those of "
          "model.batch_norm=per_step never)");
    field("weight_decay", self.weight_decay, at_least(0),
          "L2: adds half of this times the squared norm of what adapts to the inner objective");
  }
};

/// phi - alpha g, a fresh tensor.
at::Tensor descend(const at::Tensor& phi, const at::Tensor& gradient, double learning_rate);

/// The rate of one inner step: a number for all parameters, or one for each.
class StepRate {
 public:
  /// Problem::rates of step `j`, or inner.learning_rate where the problem has none.
  StepRate(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, int64_t j)
      : each_(problem.rates(theta, j)), common_(each_.defined() ? 1 : inner.learning_rate) {}

  /// alpha v = common() weigh(v).
  at::Tensor weigh(const at::Tensor& v) const { return each_.defined() ? each_.mul(v) : v; }
  double common() const { return common_; }

 private:
  at::Tensor each_;  ///< [P], or undefined
  double common_;
};

/// phi_{j+1} by gradient descent from phi_j [T, P]; appends the inner gradient [T, P] at phi_j to `gradients`
/// where it is given.
at::Tensor inner_step(const Problem& problem, const at::Tensor& theta, const at::Tensor& phi,
                      const InnerOptions& inner, int64_t j, std::vector<at::Tensor>* gradients = nullptr);

/// [T], 0 where all of a task's phi [T, P] is finite, else NaN: a loss to which it is added tells so, though
/// the rectifiers of some engines turn what is no number into 0, and what comes out looks sound.
at::Tensor zero_or_nan(const at::Tensor& phi);

/// The inner loop on its way from phi_0: by gradient descent, or by Adam where the problem has a state for it
/// (Problem::adam_state). With s, w and g of each element,
///   s_{j+1} = beta2 s_j + (1 - beta2) g_j^2,  w_{j+1} = beta2 w_j + (1 - beta2),
///   phi_{j+1} = phi_j - alpha_j g_j / (sqrt(s_{j+1} / w_{j+1}) + epsilon),
/// which is algorithm 1 of arXiv 1412.6980 with beta1 = 0, for 1 - beta2^t obeys the same recursion as w.
class InnerLoop {
 public:
  /// `problem`, `theta` and `inner` must outlive the loop. Throws std::invalid_argument where `inner` asks
  /// for Adam and the problem has no state for it.
  InnerLoop(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner);

  /// Takes the next step.
  void step();

  /// phi_j [T, P] after j steps.
  const at::Tensor& phi() const { return phi_; }

  /// The state of Adam after them, [T, A] as InnerAdam has it; undefined where there is none.
  at::Tensor adam_state() const;

 private:
  at::Tensor adapted_gradient(const at::Tensor& gradient);

  const Problem& problem_;
  const at::Tensor& theta_;
  const InnerOptions& inner_;
  int64_t j_ = 0;
  at::Tensor phi_;
  at::Tensor square_, weight_;  ///< [T, P] and [T, 1] of Adam, else undefined
};

/// phi_steps [T, P], found from theta without keeping anything on the way.
at::Tensor adapt(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner, int64_t steps);

/// Calls `visit` with phi_0, phi_1, ..., phi_{inner.steps}, each [T, P], keeping none of them.
void visit_descent(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                   const std::function<void(const at::Tensor& phi)>& visit);

/// The outer objective after 0, 1, ..., inner.steps inner steps: inner.steps + 1 values of T tasks each.
/// A loss is NaN where the parameters are not finite.
std::vector<OuterValue> adaptation_curve(const Problem& problem, const at::Tensor& theta,
                                         const InnerOptions& inner);

}  // namespace ufo::bilevel
