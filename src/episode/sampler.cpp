#include "gather.h"
#include "labels.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/random.h>
#include <ufo/episode/sampler.h>

namespace ufo::episode {
namespace {

Purpose purpose_of(data::Split split) {
  switch (split) {
    case data::Split::train:
      return Purpose::train_episodes;
    case data::Split::validation:
      return Purpose::validation_episodes;
    case data::Split::test:
      return Purpose::test_episodes;
  }
  throw std::invalid_argument("EpisodeSampler: no such split");
}

void check_ways(const data::Dataset& dataset, data::Split split, int64_t ways) {
  const auto found = static_cast<int64_t>(dataset.of(split).size());
  if (found < ways) {
    const std::string remedy = found == 0 && split == data::Split::validation
                                   ? "; validation.every=0 does without, and dataset.validation_fraction "
                                     "gives it more where a split is shuffled"
                                   : "";
    throw ConfigError("episode: need at least " + std::to_string(ways) + " classes (ways), split " +
                      data::kSplitNames[static_cast<size_t>(split)] + " has " + std::to_string(found) +
                      remedy);
  }
}

/// [T, S, C, H, W], channels last in memory.
at::Tensor empty_images(int64_t tasks, int64_t images, const Gatherer& gatherer) {
  return at::empty({tasks, images, gatherer.height(), gatherer.width(), gatherer.channels()}, at::kFloat)
      .permute({0, 1, 4, 2, 3});
}

std::vector<Augmentation> draw_augmentations(const AugmentationOptions& options, size_t images,
                                             RandomStream& random) {
  std::vector<Augmentation> drawn(images);
  std::generate(drawn.begin(), drawn.end(), [&] { return draw_augmentation(options, random); });
  return drawn;
}

}  // namespace

EpisodeSampler::EpisodeSampler(const data::Dataset& dataset, const EpisodeOptions& options, uint64_t seed,
                               const AugmentationOptions& augmentation, Labels labels)
    : dataset_(dataset),
      options_(options),
      seed_(seed),
      augmentation_(augmentation),
      labels_(labels),
      gatherer_(std::make_unique<Gatherer>(dataset)) {
  check_ranges(options, "episode");
  check_ranges(augmentation, "augmentation");
  const int64_t needed = options.shots + options.queries;
  for (data::Split split : {data::Split::train, data::Split::validation, data::Split::test}) {
    for (const data::EpisodeClass& c : dataset.of(split)) {
      const int64_t found = dataset.images.class_size(c.image_class);
      if (found < needed) {
        throw ConfigError("episode: need at least " + std::to_string(needed) + " images a class (shots " +
                          std::to_string(options.shots) + " + queries " + std::to_string(options.queries) +
                          "), class " + dataset.images.class_names[static_cast<size_t>(c.image_class)] +
                          " has " + std::to_string(found));
      }
    }
  }
}

EpisodeSampler::~EpisodeSampler() = default;

void EpisodeSampler::check(data::Split split) const { check_ways(dataset_, split, options_.ways); }

Episode EpisodeSampler::episode(data::Split split, uint64_t index) const {
  check(split);
  const std::vector<data::EpisodeClass>& classes = dataset_.of(split);
  const data::ImageSet& images = dataset_.images;
  RandomStream random(seed_, purpose_of(split), index);
  Episode episode;
  for (uint32_t c :
       random.sample(static_cast<uint32_t>(options_.ways), static_cast<uint32_t>(classes.size()))) {
    const int64_t image_class = classes[c].image_class;
    const int64_t first = images.class_offsets[static_cast<size_t>(image_class)];
    const std::vector<uint32_t> drawn =
        random.sample(static_cast<uint32_t>(options_.shots + options_.queries),
                      static_cast<uint32_t>(images.class_size(image_class)));
    episode.classes.push_back(static_cast<int32_t>(c));
    for (size_t i = 0; i < drawn.size(); ++i) {
      (static_cast<int64_t>(i) < options_.shots ? episode.support : episode.query)
          .push_back(first + drawn[i]);
    }
  }
  if (augments(split)) {
    RandomStream changes(seed_, Purpose::augmentation, index);
    episode.support_augmentation = draw_augmentations(augmentation_, episode.support.size(), changes);
    episode.query_augmentation = draw_augmentations(augmentation_, episode.query.size(), changes);
  }
  return episode;
}

at::Tensor EpisodeSampler::labels_of(const std::vector<int32_t>& classes, int64_t each) const {
  const at::Tensor split = at::tensor(at::ArrayRef<int32_t>(classes)).to(at::kLong);
  return split.repeat_interleave(each);
}

EpisodeBatch EpisodeSampler::batch(data::Split split, uint64_t first, int64_t tasks) const {
  const int64_t ways = options_.ways, shots = options_.shots, queries = options_.queries;
  EpisodeBatch batch{.support_images = empty_images(tasks, ways * shots, *gatherer_),
                     .support_labels = labels(tasks, ways, shots, at::kCPU),
                     .query_images = empty_images(tasks, ways * queries, *gatherer_),
                     .query_labels = labels(tasks, ways, queries, at::kCPU)};
  float* support = batch.support_images.mutable_data_ptr<float>();
  float* query = batch.query_images.mutable_data_ptr<float>();
  const std::vector<data::EpisodeClass>& classes = dataset_.of(split);
  for (int64_t task = 0; task < tasks; ++task) {
    const Episode drawn = episode(split, first + static_cast<uint64_t>(task));
    const auto gather = [&](const std::vector<int64_t>& images, const std::vector<Augmentation>& augmentation,
                            int64_t each, float*& out) {
      for (size_t i = 0; i < images.size(); ++i, out += gatherer_->values()) {
        const int32_t c = drawn.classes[i / static_cast<size_t>(each)];
        gatherer_->gather(images[i], classes[static_cast<size_t>(c)].quarter_turns,
                          augmentation.empty() ? Augmentation{} : augmentation[i], out);
      }
    };
    gather(drawn.support, drawn.support_augmentation, shots, support);
    gather(drawn.query, drawn.query_augmentation, queries, query);
    if (labels_ == Labels::of_split) {
      batch.support_labels[task].copy_(labels_of(drawn.classes, shots));
      batch.query_labels[task].copy_(labels_of(drawn.classes, queries));
    }
  }
  return batch;
}

EpisodeIndices EpisodeSampler::indices(data::Split split, uint64_t first, int64_t tasks) const {
  const int64_t each = options_.ways * (options_.shots + options_.queries);
  const bool augmented = augments(split);
  EpisodeIndices result{.images = at::empty({tasks, each}, at::kLong),
                        .quarter_turns = at::empty({tasks, each}, at::kLong),
                        .augmentation = augmented ? at::empty({tasks, each, 6}, at::kFloat) : at::Tensor()};
  if (labels_ == Labels::of_split) {
    result.labels = at::empty({tasks, each}, at::kLong);
  }
  auto* image = result.images.mutable_data_ptr<int64_t>();
  auto* turns = result.quarter_turns.mutable_data_ptr<int64_t>();
  float* change = augmented ? result.augmentation.mutable_data_ptr<float>() : nullptr;
  const std::vector<data::EpisodeClass>& classes = dataset_.of(split);
  for (int64_t task = 0; task < tasks; ++task) {
    const Episode drawn = episode(split, first + static_cast<uint64_t>(task));
    for (const auto* part : {&drawn.support, &drawn.query}) {
      const size_t each_class = part->size() / drawn.classes.size();
      for (size_t i = 0; i < part->size(); ++i) {
        *image++ = (*part)[i];
        *turns++ = classes[static_cast<size_t>(drawn.classes[i / each_class])].quarter_turns;
      }
    }
    if (result.labels.defined()) {
      result.labels[task].copy_(
          at::cat({labels_of(drawn.classes, options_.shots), labels_of(drawn.classes, options_.queries)}));
    }
    for (const auto* part : {&drawn.support_augmentation, &drawn.query_augmentation}) {
      for (const Augmentation& a : *part) {
        for (const float value : {a.mirrored ? 1.0f : 0.0f, static_cast<float>(a.down),
                                  static_cast<float>(a.right), a.brightness, a.contrast, a.saturation}) {
          *change++ = value;
        }
      }
    }
  }
  return result;
}

}  // namespace ufo::episode
