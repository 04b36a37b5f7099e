#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/bilevel/inner_loop.h>
#include <ufo/nn/layout.h>

namespace ufo::bilevel {

// P parameters of the network, R learned rates; theta [P + R] holds the initialisation and, behind it, them.

/// Whether the inner loop changes batch norm's own weights and biases.
enum class NormAdapts { no, yes };

/// The rates of the inner loop, phi_{j+1} = phi_j - alpha_j dL_inner/dphi(phi_j) element by element, of which
/// outer variables can be a part: a rate a layer and step is LSLR (arXiv 1810.09502), one a parameter is
/// Meta-SGD (arXiv 1707.09835); the head alone adapts in ANIL (arXiv 1909.09157), the body alone in BOIL
/// (arXiv 2008.08882), and batch norm's own parameters may stay out of it (MAML++). What does not adapt has
/// the rate 0.
class InnerRates {
 public:
  /// The same rate InnerOptions::learning_rate for all parameters and steps.
  InnerRates() = default;

  /// Those of `inner` for a network of this `layout`, whose head is its last block; batch norm's own
  /// parameters adapt where `norm` says so. Throws ConfigError where only the head or the body shall adapt
  /// and the network does not say which it is.
  InnerRates(const InnerOptions& inner, const nn::Layout& layout, NormAdapts norm);

  /// Whether InnerOptions::learning_rate is the rate of all parameters and steps.
  bool uniform() const { return !start_.defined(); }

  Adapt adapts() const { return adapts_what_; }

  /// R; 0 where the rates are not learned.
  int64_t size() const { return size_; }

  /// Whether each parameter has a learned rate of its own.
  bool one_a_parameter() const { return size_ > 0 && per_ == RatesPer::parameter; }

  /// Their start [R] float32.
  at::Tensor initial() const;

  /// Appends them to the layout of theta: "inner.rates.<layer>" ([] or [steps]) or "inner.rates.<parameter>".
  void declare(nn::Layout& layout) const;

  /// The same for a theta like `like`: on its device and of its dtype.
  InnerRates to(const at::TensorOptions& like) const;

  /// alpha_j [P] at theta [P + R]; not for uniform ones. After the last step that was learned for, its own.
  at::Tensor of_step(const at::Tensor& theta, int64_t j) const;

  /// The adjoint of of_step: w [T, P] to (d alpha_j / d rates)^T w [T, R].
  at::Tensor adjoint(const at::Tensor& w, int64_t j) const;

  /// The learned rates of theta [P + R] by their names in declare(), without its prefix: one a step, or the
  /// mean of a parameter's. Empty where none is learned.
  std::vector<std::pair<std::string, std::vector<double>>> named(const at::Tensor& theta) const;

  /// Sets learned rates of theta [P + R] that lie below 0 to 0, unless they may.
  void project(at::Tensor& theta) const;

 private:
  /// Parameters in a row that share a rate, or as many rates as there are steps; some between them may not
  /// adapt.
  struct Group {
    std::string name;
    int64_t first, size;
    double start;
  };

  void group_layers(const nn::Layout& layout);
  int64_t groups() const { return static_cast<int64_t>(groups_.size()); }

  RatesPer per_ = RatesPer::run;
  Adapt adapts_what_ = Adapt::all;
  bool below_zero_ = false;
  int64_t size_ = 0, steps_ = 1;
  std::vector<Group> groups_;                ///< those that adapt
  std::vector<nn::ParameterEntry> entries_;  ///< of the network
  at::Tensor start_;                         ///< [P] alpha_0 at the start, 0 where a parameter does not adapt
  at::Tensor adapts_;                        ///< [P] 1 where a parameter adapts, 0 where not
  at::Tensor group_of_;  ///< [P] the number of its group; groups() where it does not adapt
};

}  // namespace ufo::bilevel
