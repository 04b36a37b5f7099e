#pragma once

#include <cstdint>

#include <ufo/base/device.h>
#include <ufo/base/options.h>
#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/inner_loop.h>
#include <ufo/data/dataset.h>
#include <ufo/episode/episode.h>
#include <ufo/nn/network.h>

namespace ufo::run {

/// Beyond these, products of sizes would not fit 64 bits, and a double would not tell steps apart.
inline constexpr int64_t kMostTasks = int64_t{1} << 30, kMostSteps = int64_t{1} << 53;

/// What makes the outer step of a meta-gradient.
enum class Optimizer { adam, sgd };

/// How the outer step size goes along a run.
enum class LearningRateSchedule { constant, linear, cosine, step_decay };

/// How CUDA devices multiply: in tf32 the factors have 10 bits of mantissa.
enum class Precision { float32, tf32 };

/// What the head begins an episode of validation or evaluation as.
enum class EvaluationHead { as_trained, zero, prototype };

}  // namespace ufo::run

template <>
struct ufo::Words<ufo::run::Optimizer> {
  using enum run::Optimizer;
  static constexpr std::pair<run::Optimizer, const char*> table[] = {{adam, "adam"}, {sgd, "sgd"}};
};

template <>
struct ufo::Words<ufo::run::Precision> {
  using enum run::Precision;
  static constexpr std::pair<run::Precision, const char*> table[] = {{float32, "float32"}, {tf32, "tf32"}};
};

template <>
struct ufo::Words<ufo::run::LearningRateSchedule> {
  using enum run::LearningRateSchedule;
  static constexpr std::pair<run::LearningRateSchedule, const char*> table[] = {
      {constant, "constant"}, {linear, "linear"}, {cosine, "cosine"}, {step_decay, "step"}};
};

template <>
struct ufo::Words<ufo::run::EvaluationHead> {
  using enum run::EvaluationHead;
  static constexpr std::pair<run::EvaluationHead, const char*> table[] = {
      {as_trained, "as_trained"}, {zero, "zero"}, {prototype, "prototype"}};
};

namespace ufo::run {

/// What a run may cost, so that methods of different price can be compared. 0: no limit.
struct BudgetOptions {
  double gradient_calls = 0;
  double hessian_product = 2;

  bool limited() const { return gradient_calls > 0; }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field(
        "gradient_calls", self.gradient_calls, at_least(0),
        "gradient calls after which the run ends, Hessian products included (0: outer.steps alone ends it)");
    field(
        "hessian_product", self.hessian_product, positive(),
        "what a product with the whole Hessian counts, in gradient calls: 2 by its arithmetic; the UFO paper counts 1");
  }
};

/// The outer loop: how the meta-gradient becomes a step of theta.
struct OuterOptions {
  Optimizer optimizer = Optimizer::adam;
  double learning_rate = 0.001;
  LearningRateSchedule schedule = LearningRateSchedule::constant;
  double learning_rate_final = 0;
  int64_t decay_every = 10000;
  double decay_factor = 0.5;
  int64_t warm_up_steps = 0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum = 0;
  double clip_value = 0;
  double clip_norm = 0;
  int64_t meta_batch = 32;
  int64_t steps = 60000;
  int64_t multi_step_loss = 0;
  BudgetOptions budget;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("optimizer", self.optimizer, one_of_words<Optimizer>(), "outer optimizer");
    field("learning_rate", self.learning_rate, positive(), "outer step size");
    field(
        "schedule", self.schedule, one_of_words<LearningRateSchedule>(),
        "how the outer step size goes along the run: constant, linear or cosine to learning_rate_final, or step");
    field("learning_rate_final", self.learning_rate_final, at_least(0),
          "linear, cosine: the outer step size at the end");
    field("decay_every", self.decay_every, at_least(1), "step: outer steps between two decays");
    field("decay_factor", self.decay_factor, positive_up_to(1),
          "step: what each decay multiplies the step size by");
    field("warm_up_steps", self.warm_up_steps, at_least(0),
          "first outer steps, in which the step size rises in proportion to their number");
    field("beta1", self.beta1, between(0, 0.9999999), "adam: decay of the mean");
    field("beta2", self.beta2, between(0, 0.9999999), "adam: decay of the mean square");
    field("epsilon", self.epsilon, positive(), "adam: added to the root of the mean square");
    field("momentum", self.momentum, between(0, 0.9999999), "sgd: momentum");
    field("clip_value", self.clip_value, at_least(0),
          "clip each element of the whole estimate to +- this (0: off); clipping biases every estimator, "
          "UFO's too");
    field("clip_norm", self.clip_norm, at_least(0), "scale the whole estimate down to this norm (0: off)");
    field("meta_batch", self.meta_batch, between(1, kMostTasks), "tasks of an outer step (T)");
    field("steps", self.steps, between(1, kMostSteps), "outer steps, at most");
    field(
        "multi_step_loss", self.multi_step_loss, at_least(0),
        "outer steps in which the query losses after every inner step count too, ever less (MAML++; 0: never)");
    field("budget", self.budget, anything(),
          "what the run may cost; where there is a budget, schedules go by the share of it that is spent");
  }
};

/// Validation while training; the parameters with the best validation accuracy are kept as `best`, and those
/// with the `keep` best ones for an ensemble.
struct ValidationOptions {
  int64_t every = 500;
  int64_t tasks = 200;
  int64_t inner_steps = 3;
  int64_t keep = 1;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("every", self.every, at_least(0), "outer steps between validations (0: none, and best is last)");
    field("tasks", self.tasks, between(1, kMostTasks), "validation episodes");
    field("inner_steps", self.inner_steps, between(0, bilevel::kMostInnerSteps),
          "inner steps before the accuracy is taken");
    field(
        "keep", self.keep, between(1, 1000),
        "checkpoints to keep, those with the best validations (1: best alone), each three times as large as "
        "the parameters under adam; evaluate --ensemble needs more than one");
  }
};

/// Evaluation after training: what `evaluate` does unless told otherwise.
struct EvaluationOptions {
  int64_t tasks = 600;
  int64_t inner_steps = 3;
  int64_t queries = 15;
  int64_t ways = 0;
  int64_t shots = 0;
  int64_t inner_batch = 0;
  EvaluationHead head = EvaluationHead::as_trained;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("tasks", self.tasks, between(2, kMostTasks), "test episodes");
    field("inner_steps", self.inner_steps, between(0, bilevel::kMostInnerSteps),
          "inner steps; the accuracy after each of 0 to this is kept");
    field("queries", self.queries, between(1, episode::kMostImages),
          "query images a class in validation and evaluation");
    field(
        "ways", self.ways, between(0, episode::kMostImages),
        "classes of an episode in validation and evaluation (0: episode.ways); others than those of training need a "
        "model.head that is not linear");
    field("shots", self.shots, between(0, episode::kMostImages),
          "support images a class in validation and evaluation (0: episode.shots)");
    field("inner_batch", self.inner_batch, between(0, bilevel::kMostInnerBatch),
          "inner.batch of validation and evaluation (0: all support images in every inner step)");
    field(
        "head", self.head, one_of_words<EvaluationHead>(),
        "what the head begins as in validation and evaluation: as_trained, as model.head says, or zero or prototype, of "
        "which the trained head is no part");
  }
};

/// Everything that a run depends on. The resolved config of a run directory is this struct, printed.
struct RunOptions {
  int64_t seed = 1;
  DeviceChoice device;
  Precision precision = Precision::float32;
  bool cuda_graph = true;
  bilevel::Engine engine = bilevel::Engine::automatic;
  data::DatasetOptions dataset;
  episode::EpisodeOptions episode;
  episode::AugmentationOptions augmentation;
  nn::ModelOptions model;
  bilevel::InnerOptions inner;
  bilevel::EstimatorOptions meta_gradient;
  OuterOptions outer;
  ValidationOptions validation;
  EvaluationOptions evaluation;
  int64_t log_every = 1;
  int64_t checkpoint_every = 500;

  /// The classes and shots of an episode in validation and evaluation, the inner loop there but for its
  /// steps, and what the head begins as.
  int64_t evaluation_ways() const { return evaluation.ways > 0 ? evaluation.ways : episode.ways; }
  int64_t evaluation_shots() const { return evaluation.shots > 0 ? evaluation.shots : episode.shots; }
  bilevel::InnerOptions evaluation_inner() const {
    bilevel::InnerOptions options = inner;
    options.batch = evaluation.inner_batch;
    return options;
  }
  nn::Head evaluation_head() const {
    return evaluation.head == EvaluationHead::as_trained ? model.head
           : evaluation.head == EvaluationHead::zero     ? nn::Head::zero
                                                         : nn::Head::prototype;
  }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("seed", self.seed, at_least(0), "seed of the initialisation, the episodes and the coins");
    field("device", self.device, anything(), kDeviceWords);
    field(
        "precision", self.precision, one_of_words<Precision>(),
        "products of CUDA devices: float32, or the faster tf32, whose factors have 10 bits of mantissa; the "
        "CPU always takes float32");
    field("cuda_graph", self.cuda_graph, anything(),
          "CUDA: record the outer step into CUDA graphs and replay them, where the derivatives are "
          "hand-written and q is fixed");
    field("engine", self.engine, one_of_words<bilevel::Engine>(),
          "who differentiates the network; auto takes the hand-written derivatives where there are some");
    field("dataset", self.dataset, anything(), "the images and how their classes are divided");
    field("episode", self.episode, anything(), "the size of an episode");
    field("augmentation", self.augmentation, anything(), "random changes of training images");
    field("model", self.model, anything(), "the network");
    field("inner", self.inner, anything(), "the inner loop");
    field("meta_gradient", self.meta_gradient, anything(), "the estimator of the meta-gradient");
    field("outer", self.outer, anything(), "the outer loop");
    field("validation", self.validation, anything(), "validation while training");
    field("evaluation", self.evaluation, anything(), "evaluation after training");
    field("log_every", self.log_every, at_least(1), "outer steps between lines of metrics.jsonl");
    field("checkpoint_every", self.checkpoint_every, at_least(1), "outer steps between checkpoints");
  }
};

}  // namespace ufo::run
