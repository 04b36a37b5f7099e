#pragma once

#include <memory>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/bilevel/learner.h>
#include <ufo/bilevel/problem.h>
#include <ufo/nn/network.h>

namespace ufo::bilevel {

/// Who differentiates the network: autograd, or its own hand-written derivatives where it has some, which
/// `automatic` takes too.
enum class Engine { automatic, hand_written, autograd };

}  // namespace ufo::bilevel

template <>
struct ufo::Words<ufo::bilevel::Engine> {
  using enum bilevel::Engine;
  static constexpr std::pair<bilevel::Engine, const char*> table[] = {
      {automatic, "auto"}, {hand_written, "hand_written"}, {autograd, "autograd"}};
};

namespace ufo::bilevel {

class FeatureCache;
class Start;

/// Few-shot classification: theta is the initialisation of a network, with what is learned for the steps of
/// the inner loop behind it; the inner objective is the mean cross-entropy on the support set, the outer
/// objective that on the query set (Finn et al., arXiv 1703.03400). Where the network normalises query images
/// by the support set's statistics, the outer gradient flows through these too.
///
/// phi_0's head is theta's, or what Learner::head makes of it or of the support set's features; the adjoint
/// passes back through these.
///
/// Where the head alone adapts (ANIL, arXiv 1909.09157) and the network gives its features, phi is the head's
/// parameters, and the features of a theta are made once for all inner steps; their adjoint is taken once
/// too. Else phi is all parameters, of which some may have the rate 0.
class ClassificationProblem final : public Problem {
 public:
  /// support_images [T, S, C, H, W], support_labels [T, S], query_images [T, R, C, H, W], query_labels [T,
  /// R]; all on one device, images of the dtype of theta. The learner's network must outlive the problem.
  ClassificationProblem(const Learner& learner, at::Tensor support_images, at::Tensor support_labels,
                        at::Tensor query_images, at::Tensor query_labels,
                        Engine engine = Engine::hand_written);

  int64_t tasks() const override { return support_images_.size(0); }
  std::unique_ptr<Problem> select(std::span<const int64_t> tasks) const override;
  Schedule schedule() const override;
  at::Tensor initial(const at::Tensor& theta) const override;
  at::Tensor initial_adjoint(const at::Tensor& theta, const at::Tensor& v) const override;
  at::Tensor mixed_adjoint(const at::Tensor& theta, const at::Tensor& w) const override;
  at::Tensor enter(const at::Tensor& theta, const at::Tensor& phi, int64_t j) const override {
    return learner_.norms->enter(theta, phi, j);
  }
  int64_t step_values() const override { return learner_.norms->size(); }
  at::Tensor entry_adjoint(at::Tensor& w, int64_t j) const override {
    return learner_.norms->entry_adjoint(w, j);
  }
  at::Tensor rates(const at::Tensor& theta, int64_t j) const override;
  int64_t learned_rates() const override { return learner_.rates->size(); }
  at::Tensor rates_adjoint(const at::Tensor& w, int64_t j) const override;
  at::Tensor adam_state(const at::Tensor& theta) const override { return learner_.adam->of(theta); }
  at::Tensor outer_weights() const override { return outer_weights_; }
  std::unique_ptr<Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                           Products products) const override;
  std::unique_ptr<Linearization> linearize_step(const at::Tensor& theta, const at::Tensor& phi,
                                                int64_t j) const override;
  OuterValue outer_value(const at::Tensor& theta, const at::Tensor& phi) const override;
  OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override;

  /// Has the query losses after inner steps 1, ..., r count by `weights` [r], on the device and of the dtype
  /// of theta; undefined ones: that after the last step alone.
  void weigh_outer(at::Tensor weights) { outer_weights_ = std::move(weights); }

  /// All parameters of the network [T, P'] at phi [T, P].
  at::Tensor parameters(const at::Tensor& theta, const at::Tensor& phi) const;

  /// Logits [T, R, N] of the query images at phi [T, P].
  at::Tensor query_logits(const at::Tensor& theta, const at::Tensor& phi) const;

 private:
  bool head_alone() const { return query_features_ != nullptr; }
  bool query_has_tape() const;
  Start start() const;

  /// Images with their labels.
  struct Examples {
    at::Tensor images, labels;
  };

  /// Those of the support set that inner step j sees.
  Examples support_of_step(int64_t j) const;
  std::unique_ptr<Linearization> linearize_on(const Examples& support, const at::Tensor& theta,
                                              const at::Tensor& phi, Products products) const;
  std::unique_ptr<Linearization> linearize_loss(const Examples& support, const at::Tensor& theta,
                                                const at::Tensor& phi, Products products) const;

  Learner learner_;
  const nn::Network& network_;
  at::Tensor support_images_, support_labels_, query_images_, query_labels_, outer_weights_;
  Engine engine_;
  std::shared_ptr<const FeatureCache> support_features_;  ///< null where nobody asks for them
  std::shared_ptr<const FeatureCache> query_features_;    ///< null where phi is all
};

/// Mean cross-entropy [T] of logits [T, S, N] and labels [T, S].
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels);

/// Share of the images whose largest logit is their label's, [T].
at::Tensor accuracy(const at::Tensor& logits, const at::Tensor& labels);

}  // namespace ufo::bilevel
