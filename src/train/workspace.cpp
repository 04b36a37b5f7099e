#include <ATen/Parallel.h>

#include <ufo/base/parallel.h>
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

nn::InputShape input_shape(const data::Dataset& dataset, const run::RunOptions& options) {
  const auto sizes = dataset.images.images.sizes();  // [I, H, W, C]
  const int64_t training_classes = bilevel::trains_classifier(options.meta_gradient)
                                       ? static_cast<int64_t>(dataset.of(data::Split::train).size())
                                       : options.episode.ways;
  return {.channels = sizes[3], .height = sizes[1], .width = sizes[2], .ways = training_classes};
}

}  // namespace

Workspace::Workspace(const run::Config& config, int64_t local_rank)
    : device_(find_device(config.options.device, local_rank)),
      dataset_(load(config)),
      method_(config.options, input_shape(dataset_, config.options), device_) {
  share_threads(device_);
  set_precision(config.options.precision);
}

episode::EpisodeSampler Workspace::training_sampler() const {
  const run::RunOptions& own = options();
  return {dataset_, own.episode, static_cast<uint64_t>(own.seed), own.augmentation,
          bilevel::trains_classifier(own.meta_gradient) ? episode::Labels::of_split
                                                        : episode::Labels::of_episode};
}

episode::EpisodeSampler Workspace::evaluation_sampler(uint64_t seed) const {
  episode::EpisodeOptions episode = options().episode;
  episode.ways = options().evaluation_ways();
  episode.shots = options().evaluation_shots();
  episode.queries = options().evaluation.queries;
  return {dataset_, episode, seed};
}

at::Tensor Workspace::initial_parameters() const {
  return method_.learner().initial(static_cast<uint64_t>(options().seed)).to(device_);
}

run::Checkpoint checkpoint_or_initial(const Workspace& workspace, const std::string& file) {
  if (!file.empty()) {
    return run::load_checkpoint(file, workspace.learner().layout());
  }
  return {.parameters = workspace.learner().initial(static_cast<uint64_t>(workspace.options().seed))};
}

}  // namespace ufo::train
