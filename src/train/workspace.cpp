#include <ATen/Parallel.h>

#include <ufo/base/error.h>
#include <ufo/base/parallel.h>
#include <ufo/bilevel/product_costs.h>
#include <ufo/run/checkpoint.h>
#include <ufo/train/device.h>
#include <ufo/train/workspace.h>

namespace ufo::train {
namespace {

/// Gives the cores to parallel_tasks: its results do not depend on their number, and ATen's own threads would
/// spin beside it.
void share_threads(at::Device device) {
  if (device.is_cpu() && at::get_num_threads() > 1) {
    set_task_threads(at::get_num_threads());
    at::set_num_threads(1);
  }
}

data::Dataset load(const run::Config& config) {
  data::DatasetOptions options = config.options.dataset;
  options.root = config.dataset_root.string();
  return data::load_dataset(options);
}

nn::InputShape input_shape(const data::Dataset& dataset, int64_t ways) {
  const auto sizes = dataset.images.images.sizes();  // [I, H, W, C]
  return {.channels = sizes[3], .height = sizes[1], .width = sizes[2], .ways = ways};
}

}  // namespace

Workspace::Workspace(const run::Config& config, int64_t local_rank)
    : options_(config.options),
      device_(find_device(options_.device, local_rank)),
      dataset_(load(config)),
      input_(input_shape(dataset_, training_classes())),
      network_(nn::make_network(options_.model, input_)),
      learner_(trains_classifier()
                   ? bilevel::Learner(*network_)
                   : bilevel::Learner(*network_, options_.inner, device_, options_.model.head)) {
  share_threads(device_);
  set_precision(options_.precision);
  const bool as_in_training = options_.evaluation_ways() == options_.episode.ways &&
                              options_.evaluation_head() == options_.model.head &&
                              options_.evaluation.inner_batch == options_.inner.batch && !trains_classifier();
  if (!as_in_training) {
    make_evaluation_learner();
  }
}

bool Workspace::trains_classifier() const { return bilevel::trains_classifier(options_.meta_gradient); }

int64_t Workspace::training_classes() const {
  return trains_classifier() ? static_cast<int64_t>(dataset_.of(data::Split::train).size())
                             : options_.episode.ways;
}

void Workspace::make_evaluation_learner() {
  nn::InputShape input = input_;
  input.ways = options_.evaluation_ways();
  evaluation_network_ = nn::make_network(options_.model, input);
  evaluation_learner_.emplace(*evaluation_network_, options_.evaluation_inner(), device_,
                              options_.evaluation_head(), learner_.head_rows());
  if (input.ways != options_.episode.ways && evaluation_learner_->fixes_ways()) {
    throw ConfigError(
        "evaluation.ways: need the " + std::to_string(options_.episode.ways) + " of episode.ways where " +
        (evaluation_learner_->head == nn::Head::linear ? "model.head is linear, with a learned row a class"
                                                       : "inner.rates.per is parameter") +
        ", got " + std::to_string(input.ways));
  }
}

episode::EpisodeSampler Workspace::training_sampler() const {
  return {dataset_, options_.episode, static_cast<uint64_t>(options_.seed), options_.augmentation,
          trains_classifier() ? episode::Labels::of_split : episode::Labels::of_episode};
}

episode::EpisodeSampler Workspace::evaluation_sampler(uint64_t seed) const {
  episode::EpisodeOptions episode = options_.episode;
  episode.ways = options_.evaluation_ways();
  episode.shots = options_.evaluation_shots();
  episode.queries = options_.evaluation.queries;
  return {dataset_, episode, seed};
}

std::unique_ptr<bilevel::Estimator> Workspace::make_estimator(
    const bilevel::EstimatorOptions& options) const {
  if (options_.outer.multi_step_loss > 0) {
    if (options_.outer.budget.limited()) {
      throw ConfigError(
          "outer.multi_step_loss: need 0 beside outer.budget, which counts one gradient of the outer "
          "objective a task, got " +
          std::to_string(options_.outer.multi_step_loss));
    }
    if (!bilevel::has_outer_gradient(options)) {
      throw ConfigError(
          "outer.multi_step_loss: need an estimator with a gradient of the outer objective, got " +
          options.estimator);
    }
  }
  if (learner_.norms->size() > 0 && !bilevel::has_outer_gradient(options)) {
    throw ConfigError("model.batch_norm: need batch or support for " + options.estimator +
                      ", which learns nothing that the inner loop leaves alone, got per_step");
  }
  const auto base = bilevel::base_of(options);
  if (learner_.body() > 0 && base && base->blocks() > 0) {
    throw ConfigError("meta_gradient.base: need \"head\" or \"first_order\" where inner.adapt is head, got " +
                      std::to_string(base->blocks()));
  }
  const int64_t depth = network_->layout().depth();
  if (base && base->blocks() > depth) {
    throw ConfigError("meta_gradient.base: need at most " + std::to_string(depth) + ", the blocks of " +
                      options_.model.name + ", got " + std::to_string(base->blocks()));
  }
  return bilevel::make_estimator(
      options, options_.inner,
      bilevel::product_costs(*network_, input_, base, options_.outer.budget.hessian_product));
}

at::Tensor Workspace::initial_parameters() const {
  return learner_.initial(static_cast<uint64_t>(options_.seed)).to(device_);
}

run::Checkpoint checkpoint_or_initial(const Workspace& workspace, const std::string& file) {
  if (!file.empty()) {
    return run::load_checkpoint(file, workspace.learner().layout());
  }
  return {.parameters = workspace.learner().initial(static_cast<uint64_t>(workspace.options().seed))};
}

}  // namespace ufo::train
