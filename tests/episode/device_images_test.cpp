#include "random_dataset.h"

#include <gtest/gtest.h>

#include <ufo/episode/device_images.h>
#include <ufo/episode/sampler.h>

namespace ufo::episode {
namespace {

using data::Split;

constexpr EpisodeOptions kEpisode = {.ways = 5, .shots = 2, .queries = 3};

void expect_as_on_the_host(const data::Dataset& dataset, const AugmentationOptions& augmentation,
                           double tolerance) {
  const EpisodeSampler sampler(dataset, kEpisode, 9, augmentation);
  const EpisodeBatch expected = sampler.batch(Split::train, 40, 12);
  const EpisodeBatch found =
      DeviceImages(dataset, at::kCPU).gather(sampler.indices(Split::train, 40, 12), kEpisode);
  EXPECT_TRUE(found.support_labels.equal(expected.support_labels));
  EXPECT_TRUE(found.query_labels.equal(expected.query_labels));
  for (const auto& [a, b] : {std::pair(found.support_images, expected.support_images),
                             std::pair(found.query_images, expected.query_images)}) {
    ASSERT_EQ(a.sizes(), b.sizes());
    EXPECT_LE((a - b).abs().max().item<double>(), tolerance) << a.sizes();
  }
}

TEST(DeviceImages, GiveTheEpisodesOfTheHostToTheBit) {
  for (int64_t channels : {1, 3}) {
    expect_as_on_the_host(random_dataset(16, 6, 7, channels), {}, 0);
    expect_as_on_the_host(random_dataset(16, 6, 7, channels), {.horizontal_flip = true, .crop_padding = 3},
                          0);
  }
}

TEST(DeviceImages, ChangeColoursAsTheHostDoes) {
  for (int64_t channels : {1, 3}) {
    expect_as_on_the_host(
        random_dataset(16, 6, 7, channels),
        {.horizontal_flip = true, .crop_padding = 2, .brightness = 0.4, .contrast = 0.3, .saturation = 0.5},
        1e-5);
  }
}

TEST(DeviceImages, NeedNoTableOfTurnsWhereNothingIsTurned) {
  data::Dataset dataset = random_dataset(16, 6, 7, 3);
  for (auto& classes : dataset.classes) {
    for (data::EpisodeClass& c : classes) {
      c.quarter_turns = 0;
    }
  }
  expect_as_on_the_host(dataset, {}, 0);
  expect_as_on_the_host(dataset, {.horizontal_flip = true, .crop_padding = 3}, 0);
}

}  // namespace
}  // namespace ufo::episode
