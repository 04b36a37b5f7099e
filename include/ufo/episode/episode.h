#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/base/options.h>
#include <ufo/episode/augmentation.h>

namespace ufo::episode {

// T tasks, N ways, K shots, Q queries a class, C channels, H x W pixels.

/// The most classes, and images a class, of an episode: products of such sizes fit 64 bits.
inline constexpr int64_t kMostImages = int64_t{1} << 20;

/// The size of an episode: N-way, K-shot, with Q query images a class.
struct EpisodeOptions {
  int64_t ways = 5;
  int64_t shots = 1;
  int64_t queries = 1;

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("ways", self.ways, between(2, kMostImages), "classes of an episode (N)");
    field("shots", self.shots, between(1, kMostImages), "support images a class (K)");
    field("queries", self.queries, between(1, kMostImages), "query images a class in training (Q)");
  }
};

/// One task as indices: what was drawn, before any pixel is touched. Label n belongs to classes[n].
struct Episode {
  std::vector<int32_t> classes;  ///< N indices into Dataset::of(split), distinct, in random order
  std::vector<int64_t> support;  ///< N*K indices into ImageSet::images, class by class
  std::vector<int64_t> query;    ///< N*Q, class by class; none of them is in `support`
  std::vector<Augmentation> support_augmentation = {};  ///< one an image, or none where nothing is changed
  std::vector<Augmentation> query_augmentation = {};
};

/// T tasks as tensors. Images are float32 with channels last in memory and NCHW in their sizes.
struct EpisodeBatch {
  at::Tensor support_images;  ///< [T, N*K, C, H, W]
  at::Tensor support_labels;  ///< [T, N*K] int64
  at::Tensor query_images;    ///< [T, N*Q, C, H, W]
  at::Tensor query_labels;    ///< [T, N*Q] int64
};

}  // namespace ufo::episode
