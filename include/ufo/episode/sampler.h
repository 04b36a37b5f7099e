#pragma once

#include <cstdint>
#include <future>
#include <memory>

#include <ufo/data/dataset.h>
#include <ufo/episode/device_images.h>
#include <ufo/episode/episode.h>

namespace ufo::episode {

class Gatherer;

/// What an episode labels its classes by: their places in it, 0 to N - 1, or in the split. Episodes of the
/// second kind are mini-batches for a classifier of all classes of the split.
enum class Labels { of_episode, of_split };

/// Draws episodes of a data set. An episode is a pure function of (seed, split, index): drawing it needs no
/// state, so that evaluation, resumed runs and other machines see the same tasks.
class EpisodeSampler {
 public:
  /// `dataset` must outlive the sampler. Episodes of the training split, and they alone, are changed as
  /// `augmentation` says. Throws ConfigError where a class has fewer images than shots + queries, and for
  /// options out of range. Training and evaluation have a sampler each: they may differ in ways and queries,
  /// and evaluation augments nothing, whatever the split.
  EpisodeSampler(const data::Dataset& dataset, const EpisodeOptions& options, uint64_t seed,
                 const AugmentationOptions& augmentation = {}, Labels labels = Labels::of_episode);
  ~EpisodeSampler();

  const data::Dataset& dataset() const { return dataset_; }
  const EpisodeOptions& options() const { return options_; }

  /// Throws ConfigError unless `split` has the classes that an episode needs. For before the work begins: a
  /// data set may lack a split that is never drawn from.
  void check(data::Split split) const;

  /// Throws as check() does.
  Episode episode(data::Split split, uint64_t index) const;

  /// Episodes first, first + 1, ..., first + tasks - 1 as float32 tensors in host memory; images are turned
  /// and normalised as the data set says, and augmented in between. Throws as episode() does.
  EpisodeBatch batch(data::Split split, uint64_t first, int64_t tasks) const;

  /// The same episodes as indices in host memory. Throws as episode() does.
  EpisodeIndices indices(data::Split split, uint64_t first, int64_t tasks) const;

 private:
  bool augments(data::Split split) const { return split == data::Split::train && augmentation_.active(); }
  at::Tensor labels_of(const std::vector<int32_t>& classes, int64_t each) const;

  const data::Dataset& dataset_;
  EpisodeOptions options_;
  uint64_t seed_;
  AugmentationOptions augmentation_;
  Labels labels_;
  std::unique_ptr<const Gatherer> gatherer_;
};

/// Some of the tasks of a batch: numbers first to first + count - 1.
struct TaskRange {
  int64_t first = 0;
  int64_t count = 0;
};

/// Hands out batch 0, 1, 2, ... of `tasks` episodes each from one split, preparing the next in a thread of
/// its own while the caller works on the current one.
class EpisodePrefetcher {
 public:
  /// `sampler` must outlive the prefetcher. The first batch handed out is number `first_batch`.
  EpisodePrefetcher(const EpisodeSampler& sampler, data::Split split, int64_t tasks, uint64_t first_batch)
      : EpisodePrefetcher(sampler, split, tasks, first_batch, {.first = 0, .count = tasks}) {}

  /// The same, of each batch only the tasks of `part`.
  EpisodePrefetcher(const EpisodeSampler& sampler, data::Split split, int64_t tasks, uint64_t first_batch,
                    TaskRange part);

  /// The next batch: episodes [b * tasks, (b + 1) * tasks), or the part of them asked for. Throws what
  /// EpisodeSampler::batch threw.
  EpisodeBatch next();

 private:
  void prepare();

  const EpisodeSampler& sampler_;
  data::Split split_;
  int64_t tasks_;
  uint64_t next_batch_;
  TaskRange part_;
  std::future<EpisodeBatch> pending_;
};

}  // namespace ufo::episode
