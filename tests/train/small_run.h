#pragma once

#include "support/temporary_folder.h"

#include <string>

#include <ATen/ATen.h>

#include <ufo/base/random.h>
#include <ufo/bilevel/estimator.h>
#include <ufo/bilevel/learner.h>
#include <ufo/episode/sampler.h>
#include <ufo/nn/network.h>
#include <ufo/run/options.h>

namespace ufo::train {

/// Classes of 8 x 8 patterns that can be told apart: `drawings` images each, a tenth of whose pixels are
/// flipped.
inline data::Dataset pattern_dataset(int64_t classes = 24, int64_t drawings = 8) {
  constexpr int64_t kSize = 8;
  data::Dataset dataset;
  dataset.images.images = at::empty({classes * drawings, kSize, kSize, 1}, at::kByte);
  auto* pixel = dataset.images.images.mutable_data_ptr<uint8_t>();
  dataset.images.class_offsets = {0};
  RandomStream noise(1, Purpose::test, 0);
  for (int64_t c = 0; c < classes; ++c) {
    for (int64_t d = 0; d < drawings; ++d) {
      RandomStream pattern(2, Purpose::test, static_cast<uint64_t>(c));
      for (int64_t i = 0; i < kSize * kSize; ++i) {
        const bool on = pattern.below(2) == 1;
        *pixel++ = on != (noise.below(10) == 0) ? 255 : 0;
      }
    }
    dataset.images.class_offsets.push_back((c + 1) * drawings);
    dataset.images.class_names.push_back("pattern" + std::to_string(c));
    dataset.classes[c < classes / 2       ? 0
                    : c < classes * 3 / 4 ? 1
                                          : 2]
        .push_back({static_cast<int32_t>(c), 0});
  }
  dataset.mean = {0};
  dataset.deviation = {1};
  return dataset;
}

/// All that a small run needs.
struct SmallRun {
  run::RunOptions options;
  data::Dataset dataset = pattern_dataset();
  std::unique_ptr<nn::Network> network;
  std::unique_ptr<episode::EpisodeSampler> sampler, validation_sampler;

  explicit SmallRun(const std::string& model = "mlp") {
    options.model.name = model;
    options.model.hidden = {13};  // so that P is no multiple of a vector's length
    options.model.filters = 5;
    options.model.blocks = 2;
    options.episode = {.ways = 3, .shots = 1, .queries = 2};
    options.inner = {.steps = 2, .learning_rate = 0.1};
    options.meta_gradient.estimator = "ufo";
    options.meta_gradient.q.value = 0.3;
    options.outer.meta_batch = 4;
    options.outer.learning_rate = 0.01;
    options.outer.steps = 12;
    options.validation = {.every = 4, .tasks = 10, .inner_steps = 2};
    options.checkpoint_every = 5;
    build();
  }

  /// For a theta like `like`.
  bilevel::Learner learner(const at::TensorOptions& like = at::kFloat) const {
    return trains_classifier() ? bilevel::Learner(*network)
                               : bilevel::Learner(*network, options.inner, like, options.model.head);
  }

  bool trains_classifier() const { return bilevel::trains_classifier(options.meta_gradient); }

  /// Makes the parts anew after a change of the options.
  void build() {
    const int64_t ways = trains_classifier() ? static_cast<int64_t>(dataset.of(data::Split::train).size())
                                             : options.episode.ways;
    network = nn::make_network(options.model, {.channels = 1, .height = 8, .width = 8, .ways = ways});
    const auto seed = static_cast<uint64_t>(options.seed);
    sampler = std::make_unique<episode::EpisodeSampler>(
        dataset, options.episode, seed, options.augmentation,
        trains_classifier() ? episode::Labels::of_split : episode::Labels::of_episode);
    episode::EpisodeOptions validation = options.episode;
    validation.queries = 3;
    validation_sampler = std::make_unique<episode::EpisodeSampler>(dataset, validation, seed);
  }
};

}  // namespace ufo::train
