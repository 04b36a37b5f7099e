#include "random_dataset.h"

#include <set>

#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/episode/sampler.h>

namespace ufo::episode {
namespace {

using data::Split;

constexpr EpisodeOptions kEpisode = {.ways = 5, .shots = 2, .queries = 3};

AugmentationOptions everything() {
  return {.horizontal_flip = true, .crop_padding = 2, .brightness = 0.4, .contrast = 0.3, .saturation = 0.5};
}

/// One image [C, H, W] as `a` says, from the turned image in [0, 1], by ATen's own operations.
at::Tensor changed(const at::Tensor& turned, const Augmentation& a, int64_t padding) {
  const int64_t height = turned.size(1), width = turned.size(2);
  const at::Tensor seen = a.mirrored ? turned.flip(2) : turned;
  at::Tensor image = at::replication_pad2d(seen, {padding, padding, padding, padding})
                         .narrow(1, padding + a.down, height)
                         .narrow(2, padding + a.right, width);
  const auto grey = [](const at::Tensor& rgb) {
    return rgb.size(0) == 3 ? 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] : rgb[0];
  };
  image = (image * a.brightness).clamp(0, 1);
  image = (a.contrast * image + (1 - a.contrast) * grey(image).mean()).clamp(0, 1);
  return (a.saturation * image + (1 - a.saturation) * grey(image)).clamp(0, 1);
}

TEST(Augmentation, IsWhatAtensOperationsGive) {
  for (int64_t channels : {1, 3}) {
    const data::Dataset dataset = random_dataset(16, 6, 7, channels);
    const EpisodeSampler sampler(dataset, kEpisode, 9, everything());
    const at::Tensor mean = at::tensor(dataset.mean).reshape({-1, 1, 1});
    const at::Tensor deviation = at::tensor(dataset.deviation).reshape({-1, 1, 1});
    for (uint64_t index = 0; index < 20; ++index) {
      const Episode episode = sampler.episode(Split::train, index);
      const EpisodeBatch batch = sampler.batch(Split::train, index, 1);
      ASSERT_EQ(episode.query_augmentation.size(), episode.query.size());
      for (size_t i = 0; i < episode.query.size(); ++i) {
        const int32_t turns =
            dataset.of(Split::train)[static_cast<size_t>(episode.classes[i / 3])].quarter_turns;
        const at::Tensor image =
            dataset.images.images[episode.query[i]].permute({2, 0, 1}).to(at::kFloat) / 255;
        const at::Tensor expected =
            (changed(at::rot90(image, turns, {1, 2}), episode.query_augmentation[i], 2) - mean) / deviation;
        const at::Tensor found = batch.query_images[0][static_cast<int64_t>(i)];
        EXPECT_TRUE(at::allclose(found, expected, 1e-5, 1e-5))
            << channels << " channels, episode " << index << ", image " << i << ": off by "
            << (found - expected).abs().max().item<float>();
      }
    }
  }
}

TEST(Augmentation, IsAFunctionOfTheEpisode) {
  const data::Dataset dataset = random_dataset(16, 6, 7, 3);
  const EpisodeSampler one(dataset, kEpisode, 9, everything()), other(dataset, kEpisode, 9, everything());
  const EpisodeBatch together = one.batch(Split::train, 3, 4);
  for (uint64_t task = 4; task-- > 0;) {
    const EpisodeBatch alone = other.batch(Split::train, 3 + task, 1);
    EXPECT_TRUE(alone.support_images[0].equal(together.support_images[static_cast<int64_t>(task)]));
    EXPECT_TRUE(alone.query_images[0].equal(together.query_images[static_cast<int64_t>(task)]));
  }
  EXPECT_FALSE(one.batch(Split::train, 3, 1)
                   .support_images.equal(
                       EpisodeSampler(dataset, kEpisode, 9).batch(Split::train, 3, 1).support_images));
}

TEST(Augmentation, LeavesTheDrawnImagesAndTheOtherSplitsAlone) {
  const data::Dataset dataset = random_dataset(16, 6, 7, 3);
  const EpisodeSampler plain(dataset, kEpisode, 9), augmented(dataset, kEpisode, 9, everything());
  EXPECT_EQ(augmented.episode(Split::train, 5).support, plain.episode(Split::train, 5).support);
  for (Split split : {Split::validation, Split::test}) {
    EXPECT_TRUE(augmented.batch(split, 0, 3).support_images.equal(plain.batch(split, 0, 3).support_images));
    EXPECT_TRUE(augmented.batch(split, 0, 3).query_images.equal(plain.batch(split, 0, 3).query_images));
  }
}

TEST(Augmentation, DrawsEachOptionWhateverTheOthersAre) {
  AugmentationOptions flip{.horizontal_flip = true};
  RandomStream alone(4, Purpose::augmentation, 0), among(4, Purpose::augmentation, 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(draw_augmentation(flip, alone).mirrored, draw_augmentation(everything(), among).mirrored);
  }
}

TEST(Augmentation, CoversItsWholeRangeAndNoMore) {
  constexpr int kDraws = 4000;
  const AugmentationOptions options = everything();
  RandomStream random(4, Purpose::augmentation, 0);
  int mirrored = 0;
  std::set<int32_t> down, right;
  float brightest = 0, darkest = 2;
  for (int i = 0; i < kDraws; ++i) {
    const Augmentation drawn = draw_augmentation(options, random);
    mirrored += drawn.mirrored;
    down.insert(drawn.down);
    right.insert(drawn.right);
    brightest = std::max(brightest, drawn.brightness);
    darkest = std::min(darkest, drawn.brightness);
  }
  EXPECT_NEAR(mirrored, kDraws / 2, 4 * std::sqrt(kDraws / 4.0));
  EXPECT_EQ(down, (std::set<int32_t>{-2, -1, 0, 1, 2}));
  EXPECT_EQ(right, down);
  EXPECT_LE(brightest, 1.4f);
  EXPECT_GT(brightest, 1.39f);
  EXPECT_GE(darkest, 0.6f);
  EXPECT_LT(darkest, 0.61f);
}

TEST(Augmentation, RefusesOptionsOutOfRange) {
  const data::Dataset dataset = random_dataset();
  try {
    EpisodeSampler(dataset, kEpisode, 1, {.brightness = 1.5});
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "augmentation.brightness: need at least 0 and at most 1, got 1.5");
  }
}

}  // namespace
}  // namespace ufo::episode
