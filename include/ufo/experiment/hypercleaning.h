#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/bilevel/inner_loop.h>
#include <ufo/bilevel/problem.h>

namespace ufo::experiment {

// Data hyper-cleaning (Franceschi et al., ICML 2017, arXiv 1703.01785): find the mislabelled examples of a
// training set by learning a weight for each, so that a classifier trained with them does well on clean
// validation data. N training examples, D features, C classes, P = (D + 1) C parameters.

/// Examples with their labels.
struct Labelled {
  at::Tensor features;  ///< [n, D] float32 or float64
  at::Tensor labels;    ///< [n] int64, in [0, C)
};

/// The three sets, and which of the training labels are wrong.
struct CleaningData {
  std::string description;
  int64_t classes = 0;
  Labelled train;  ///< with the wrong labels
  Labelled validation, test;
  at::Tensor corrupted;  ///< [N] bool
};

/// Gives a share of the training labels, rounded to a whole number of examples, another class, each drawn
/// evenly from the C - 1 wrong ones; a pure function of the seed.
void corrupt_labels(CleaningData& data, double share, uint64_t seed);

/// Subtracts the mean training example from the features of all three sets and divides them by one number, so
/// that the mean squared length of a training example is 1 and inner rates mean the same for all data.
void standardize(CleaningData& data);

/// theta [N]: example i has the weight sigmoid(theta_i). phi [P]: a softmax classifier, linear in the
/// features, from zero. L_inner = (1/N) sum_i sigmoid(theta_i) CE_i(phi); L_outer is the mean cross-entropy
/// of the validation set. Neither phi_0 nor L_outer depends on theta: all of the gradient runs through the
/// mixed second derivatives, and the first-order gradient is zero.
class CleaningProblem final : public bilevel::Problem {
 public:
  CleaningProblem(Labelled train, Labelled validation, int64_t classes)
      : train_(std::move(train)), validation_(std::move(validation)), classes_(classes) {}

  int64_t tasks() const override { return 1; }
  std::unique_ptr<bilevel::Problem> select(std::span<const int64_t> tasks) const override;
  at::Tensor initial(const at::Tensor& theta) const override;
  at::Tensor initial_adjoint(const at::Tensor&, const at::Tensor&) const override { return {}; }
  std::unique_ptr<bilevel::Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                                    bilevel::Products products) const override;
  bilevel::OuterValue outer_value(const at::Tensor& theta, const at::Tensor& phi) const override;
  bilevel::OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override;

 private:
  Labelled train_, validation_;
  int64_t classes_;
};

/// How well `scores` [N] tell the examples that are `flagged` [N] bool from the others: the probability that
/// a flagged one scores higher than another, ties counting half (the area under the ROC curve). NaN where all
/// or none is flagged.
double area_under_curve(const at::Tensor& scores, const at::Tensor& flagged);

struct CleaningOptions {
  int64_t seed = 1;
  double corruption = 0.5;
  int64_t steps = 100;
  double outer_rate = 100;
  bilevel::InnerOptions inner = {.steps = 50, .learning_rate = 40};

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("seed", self.seed, at_least(0), "of the choice of examples, the wrong labels and the coins");
    field("corruption", self.corruption, between(0, 1), "share of the training labels that are wrong");
    field("steps", self.steps, at_least(1), "outer steps");
    field("outer_rate", self.outer_rate, positive(), "step size of the outer gradient descent");
    field("inner", self.inner, anything(), "the classifier's training");
  }
};

/// State after some outer steps.
struct CleaningRecord {
  int64_t step = 0;
  double gradients = 0;  ///< gradient calls + 2 x Hessian products so far
  double validation_loss = 0;
  double test_accuracy = 0;  ///< of the classifier after the inner steps
  double auc = 0;            ///< of low weight as the mark of a wrong label
};

/// What one estimator found.
struct CleaningRun {
  std::string estimator;
  double q = 0;  ///< of UFO; 0 elsewhere
  std::vector<CleaningRecord> records;
  at::Tensor weights;  ///< [N] sigmoid(theta) at the end
};

struct CleaningResult {
  double uncleaned_accuracy = 0;   ///< every example weighs 1/2
  double oracle_accuracy = 0;      ///< the clean ones weigh 1, the others 0
  double validation_accuracy = 0;  ///< the same classifier trained on the validation set alone
  std::vector<CleaningRun> runs;
};

/// Throws ConfigError for options out of range; the classifier takes at least one inner step.
void check_options(const CleaningOptions& options);

/// Learns the weights by gradient descent with first_order, ufo (q = 0.1 and 0.5) and exact, the estimators
/// of `bilevel`, side by side on the threads there are. A pure function of data and options. Throws
/// ConfigError for options out of range.
CleaningResult run_hypercleaning(const CleaningData& data, const CleaningOptions& options);

}  // namespace ufo::experiment
