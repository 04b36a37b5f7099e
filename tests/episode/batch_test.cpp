#include "random_dataset.h"

#include <stdexcept>

#include <gtest/gtest.h>

#include <ufo/episode/sampler.h>

namespace ufo::episode {
namespace {

using data::Split;

void expect_equal(const EpisodeBatch& a, const EpisodeBatch& b) {
  EXPECT_TRUE(a.support_images.equal(b.support_images));
  EXPECT_TRUE(a.support_labels.equal(b.support_labels));
  EXPECT_TRUE(a.query_images.equal(b.query_images));
  EXPECT_TRUE(a.query_labels.equal(b.query_labels));
}

/// [S, C, H, W]: `images` of the episode classes `classes`, `each` a class, by ATen's own operations.
at::Tensor expected_images(const data::Dataset& dataset, Split split, const std::vector<int32_t>& classes,
                           const std::vector<int64_t>& images) {
  std::vector<at::Tensor> result;
  const size_t each = images.size() / classes.size();
  for (size_t i = 0; i < images.size(); ++i) {
    const int32_t turns = dataset.of(split)[static_cast<size_t>(classes[i / each])].quarter_turns;
    const at::Tensor image = dataset.images.images[images[i]].permute({2, 0, 1}).to(at::kFloat) / 255;
    const at::Tensor mean = at::tensor(dataset.mean).reshape({-1, 1, 1});
    const at::Tensor deviation = at::tensor(dataset.deviation).reshape({-1, 1, 1});
    result.push_back((at::rot90(image, turns, {1, 2}) - mean) / deviation);
  }
  return at::stack(result);
}

TEST(EpisodeBatch, HoldsTheTurnedAndNormalisedImagesOfItsEpisodes) {
  for (int64_t channels : {1, 3}) {
    const data::Dataset dataset = random_dataset(16, 6, 5, channels);
    const EpisodeSampler sampler(dataset, {5, 2, 3}, 9);
    const EpisodeBatch batch = sampler.batch(Split::train, 40, 12);
    for (int64_t task = 0; task < 12; ++task) {
      const Episode episode = sampler.episode(Split::train, 40 + static_cast<uint64_t>(task));
      const at::Tensor support = expected_images(dataset, Split::train, episode.classes, episode.support);
      const at::Tensor query = expected_images(dataset, Split::train, episode.classes, episode.query);
      EXPECT_TRUE(batch.support_images[task].equal(support)) << channels << " channels, task " << task;
      EXPECT_TRUE(batch.query_images[task].equal(query)) << channels << " channels, task " << task;
    }
  }
}

TEST(EpisodeBatch, HasItsSizesKindsAndMemoryOrder) {
  const data::Dataset dataset = random_dataset(16, 6, 5, 3);
  const EpisodeBatch batch = EpisodeSampler(dataset, {5, 2, 3}, 9).batch(Split::test, 0, 4);
  EXPECT_EQ(batch.support_images.sizes(), (at::IntArrayRef{4, 10, 3, 5, 5}));
  EXPECT_EQ(batch.query_images.sizes(), (at::IntArrayRef{4, 15, 3, 5, 5}));
  for (const at::Tensor& images : {batch.support_images, batch.query_images}) {
    EXPECT_EQ(images.scalar_type(), at::kFloat);
    EXPECT_TRUE(images.permute({0, 1, 3, 4, 2}).is_contiguous());
    EXPECT_TRUE(images[0].is_contiguous(at::MemoryFormat::ChannelsLast));
  }
}

TEST(EpisodeBatch, LabelsClassesInOrder) {
  const data::Dataset dataset = random_dataset();
  const EpisodeBatch batch = EpisodeSampler(dataset, {3, 2, 1}, 9).batch(Split::test, 0, 2);
  EXPECT_TRUE(batch.support_labels.equal(at::tensor({0, 0, 1, 1, 2, 2}, at::kLong).repeat({2, 1})));
  EXPECT_TRUE(batch.query_labels.equal(at::tensor({0, 1, 2}, at::kLong).repeat({2, 1})));
}

TEST(EpisodeBatch, StrokesAreOne) {
  data::Dataset dataset = random_dataset();
  dataset.images.images.fill_(255);
  const EpisodeBatch batch = EpisodeSampler(dataset, {5, 1, 1}, 1).batch(Split::train, 0, 2);
  EXPECT_TRUE(batch.support_images.eq(1).all().item<bool>());
}

TEST(EpisodePrefetcher, HandsOutTheSamplersBatchesInOrder) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {5, 2, 3}, 9);
  EpisodePrefetcher prefetcher(sampler, Split::train, 4, 3);
  for (uint64_t number = 3; number < 30; ++number) {
    expect_equal(prefetcher.next(), sampler.batch(Split::train, number * 4, 4));
  }
}

TEST(EpisodePrefetcher, PassesOnWhatTheSamplerThrows) {
  data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {5, 2, 3}, 9);
  const auto classes = std::exchange(dataset.classes[0], {});
  EpisodePrefetcher prefetcher(sampler, Split::train, 4, 0);
  EXPECT_THROW(prefetcher.next(), std::runtime_error);
  EXPECT_THROW(prefetcher.next(), std::runtime_error);
  dataset.classes[0] = classes;
  expect_equal(prefetcher.next(), sampler.batch(Split::train, 0, 4));
}

TEST(EpisodePrefetcher, EndsWithABatchUnderWay) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {5, 2, 3}, 9);
  for (int i = 0; i < 20; ++i) {
    EpisodePrefetcher(sampler, Split::train, 16, 0).next();
  }
}

}  // namespace
}  // namespace ufo::episode
