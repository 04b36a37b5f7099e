#include "cli/classifier.h"

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/safetensors.h>
#include <ufo/nn/head.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/config.h>
#include <ufo/run/run_directory.h>
#include <ufo/train/device.h>

namespace ufo::cli {
namespace {

constexpr int64_t kManySteps = 20;  // what a head that begins as a mean was seen to need

/// Refuses a run without the statistics of its data set, which are written down when it is trained.
void check_statistics(const run::Config& config) {
  const run::Provenance& provenance = config.provenance;
  if (provenance.mean.empty() || provenance.deviation.empty()) {
    throw ConfigError(config.file.string() + ": need a list of numbers as provenance." +
                      (provenance.mean.empty() ? "mean" : "deviation") +
                      ", found none; train --resume on the run writes it");
  }
}

/// The device to compute on, which is then ready.
at::Device prepare_device(const ClassifierSource& source, const run::RunOptions& options) {
  train::set_precision(options.precision);
  return train::find_device(source.device.value_or(options.device));
}

/// The layout of the run's theta.
nn::Layout layout_of_training(const Classifier& classifier, const bilevel::Learner& learner) {
  if (!learner.fixes_ways()) {
    return learner.layout();
  }
  const run::RunOptions& options = classifier.adapted.options;
  const auto trained =
      run::make_network(options, static_cast<int64_t>(classifier.form.mean.size()), options.episode.ways);
  return bilevel::Learner(*trained, options.inner, at::kFloat, options.model.head).layout();
}

/// The rows of the head of a classifier of all training classes, which is no part of what predicts; else 0.
int64_t unused_rows(const run::RunOptions& options, const std::filesystem::path& checkpoint) {
  if (!bilevel::trains_classifier(options.meta_gradient)) {
    return 0;
  }
  const auto tensors = load_safetensors(checkpoint).tensors;
  const auto bias = tensors.find("head.bias");
  if (bias == tensors.end() || bias->second.dim() != 1) {
    throw DataError(checkpoint.string() + ": need the head of a classifier as head.bias, found none");
  }
  return bias->second.size(0);
}

/// The run's parameters for `learner`, of the classifier's network, which are to take `steps` inner steps,
/// and remarks on them.
at::Tensor load_parameters(Classifier& classifier, const bilevel::Learner& learner,
                           const std::filesystem::path& checkpoint, int64_t steps) {
  const run::RunOptions& options = classifier.adapted.options;
  const auto ways = static_cast<int64_t>(classifier.adapted.class_names.size());
  const nn::Layout layout = layout_of_training(classifier, learner);
  const auto loaded = run::load_checkpoint(checkpoint, layout);
  classifier.remarks.push_back("adapting the parameters of outer step " + std::to_string(loaded.step) +
                               " to " + std::to_string(ways) + " classes by " + std::to_string(steps) +
                               " inner steps");
  if (!learner.fixes_ways() || ways == options.episode.ways) {
    return loaded.parameters;
  }
  std::string remark = "the run was trained for " + std::to_string(options.episode.ways) +
                       " classes: every row of the new head is the mean of the trained rows";
  if (steps < kManySteps) {
    remark += ", which wants more inner steps: try --steps " + std::to_string(kManySteps);
  }
  classifier.remarks.push_back(remark);
  return nn::with_mean_head(layout, loaded.parameters, learner.layout());
}

Classifier adapt(const ClassifierSource& source) {
  const auto run = run::RunDirectory::open(source.run);
  Classifier classifier;
  run::Adapted& adapted = classifier.adapted;
  const run::Config config = run::load_config(run.config_file());
  check_statistics(config);
  adapted.options = config.options;
  const at::Device device = prepare_device(source, adapted.options);
  adapted.mean = config.provenance.mean;
  adapted.deviation = config.provenance.deviation;
  classifier.form = data::image_form(adapted.options.dataset, adapted.mean, adapted.deviation);
  const auto support =
      data::read_labelled_images("predict: --support", source.support, classifier.form, source.bad_images);
  adapted.class_names = support.class_names;
  adapted.support_pixels = support.images.pixels;
  classifier.remarks = lines_of_not_taken("--support", support.images);
  classifier.network = run::make_network(adapted);
  const auto checkpoint = run.find_checkpoint(source.checkpoint);
  const bilevel::Learner learner(*classifier.network, adapted.options.evaluation_inner(), device,
                                 adapted.options.model.head, unused_rows(adapted.options, checkpoint));
  const int64_t steps = source.steps.value_or(adapted.options.evaluation.inner_steps);
  if (steps == 0 && learner.head != nn::Head::prototype) {
    throw ConfigError("predict: --steps: need at least 1 where model.head is " + word_of(learner.head) +
                      ", got 0");
  }
  const at::Tensor theta = load_parameters(classifier, learner, checkpoint, steps);
  classifier.predictor = std::make_unique<train::Predictor>(
      learner, theta.to(device), data::values_of(adapted.support_pixels, classifier.form), support.labels,
      bilevel::InnerOptions{.steps = steps, .learning_rate = adapted.options.inner.learning_rate},
      adapted.options.engine);
  adapted.parameters = classifier.predictor->parameters();
  return classifier;
}

Classifier read(const ClassifierSource& source) {
  Classifier classifier;
  classifier.adapted = run::load_adapted(source.adapted);
  const run::Adapted& adapted = classifier.adapted;
  const at::Device device = prepare_device(source, adapted.options);
  classifier.form = data::image_form(adapted.options.dataset, adapted.mean, adapted.deviation);
  classifier.network = run::make_network(adapted);
  classifier.predictor =
      std::make_unique<train::Predictor>(*classifier.network, adapted.parameters.to(device),
                                         data::values_of(adapted.support_pixels, classifier.form));
  return classifier;
}

}  // namespace

Classifier make_classifier(const ClassifierSource& source) {
  return source.adapted.empty() ? adapt(source) : read(source);
}

std::vector<std::string> lines_of_not_taken(const std::string& option, const data::LooseImages& images) {
  std::vector<std::string> lines;
  for (const std::string& line : {images.passed_over, images.skipped}) {
    if (!line.empty()) {
      lines.push_back(option + ": " + line);
    }
  }
  return lines;
}

}  // namespace ufo::cli
