#include "random_dataset.h"

#include <cmath>
#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/episode/sampler.h>

namespace ufo::episode {
namespace {

using data::Split;

constexpr std::array<Split, 3> kSplits = {Split::train, Split::validation, Split::test};

void expect_same(const Episode& a, const Episode& b) {
  EXPECT_EQ(a.classes, b.classes);
  EXPECT_EQ(a.support, b.support);
  EXPECT_EQ(a.query, b.query);
}

TEST(EpisodeSampler, AnEpisodeIsAFunctionOfSeedSplitAndIndex) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler forward(dataset, {5, 2, 3}, 7), backward(dataset, {5, 2, 3}, 7);
  std::vector<Episode> episodes;
  for (uint64_t index = 0; index < 20; ++index) {
    episodes.push_back(forward.episode(Split::train, index));
  }
  for (uint64_t index = 20; index-- > 0;) {
    backward.episode(Split::test, index);
    expect_same(backward.episode(Split::train, index), episodes[index]);
  }
}

TEST(EpisodeSampler, SeedsSplitsAndIndicesGiveOtherEpisodes) {
  data::Dataset dataset = random_dataset();
  dataset.classes[1] = dataset.classes[2] = dataset.classes[0];  // so that only the random numbers differ
  std::set<std::vector<int64_t>> drawn;
  for (uint64_t seed : {1, 2}) {
    const EpisodeSampler sampler(dataset, {5, 2, 3}, seed);
    for (Split split : kSplits) {
      for (uint64_t index = 0; index < 10; ++index) {
        drawn.insert(sampler.episode(split, index).support);
      }
    }
  }
  EXPECT_EQ(drawn.size(), 60u);
}

TEST(EpisodeSampler, DrawsDistinctClassesAndImagesOfThem) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {5, 2, 3}, 1);
  for (uint64_t index = 0; index < 200; ++index) {
    const Episode episode = sampler.episode(Split::train, index);
    ASSERT_EQ(episode.classes.size(), 5u);
    ASSERT_EQ(episode.support.size(), 10u);
    ASSERT_EQ(episode.query.size(), 15u);
    EXPECT_EQ(std::set<int32_t>(episode.classes.begin(), episode.classes.end()).size(), 5u);
    for (size_t n = 0; n < 5; ++n) {
      const int32_t character = dataset.of(Split::train)[static_cast<size_t>(episode.classes[n])].image_class;
      std::set<int64_t> images(episode.support.begin() + 2 * n, episode.support.begin() + 2 * n + 2);
      images.insert(episode.query.begin() + 3 * n, episode.query.begin() + 3 * n + 3);
      EXPECT_EQ(images.size(), 5u) << "support and query share an image in episode " << index;
      EXPECT_GE(*images.begin(), dataset.images.class_offsets[static_cast<size_t>(character)]);
      EXPECT_LT(*images.rbegin(), dataset.images.class_offsets[static_cast<size_t>(character) + 1]);
    }
  }
}

TEST(EpisodeSampler, SplitsDrawFromTheirOwnCharacters) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {4, 1, 1}, 1);
  std::array<std::set<int32_t>, 3> characters;
  for (size_t split = 0; split < 3; ++split) {
    for (uint64_t index = 0; index < 200; ++index) {
      for (int32_t c : sampler.episode(kSplits[split], index).classes) {
        characters[split].insert(dataset.of(kSplits[split])[static_cast<size_t>(c)].image_class);
      }
    }
  }
  EXPECT_THAT(characters[0], testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(characters[1], testing::ElementsAre(8, 9, 10, 11));
  EXPECT_THAT(characters[2], testing::ElementsAre(12, 13, 14, 15));
}

TEST(EpisodeSampler, EveryClassIsEquallyLikelyUnderEveryLabel) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {4, 1, 1}, 3);
  constexpr int kEpisodes = 16000, kClasses = 16;  // of validation
  std::map<std::pair<size_t, int32_t>, int> counts;
  for (uint64_t index = 0; index < kEpisodes; ++index) {
    const Episode episode = sampler.episode(Split::validation, index);
    for (size_t label = 0; label < 4; ++label) {
      ++counts[{label, episode.classes[label]}];
    }
  }
  ASSERT_EQ(counts.size(), size_t{4 * kClasses});
  for (const auto& [key, count] : counts) {
    EXPECT_NEAR(count, kEpisodes / kClasses, 5 * std::sqrt(kEpisodes / kClasses))
        << "label " << key.first << ", class " << key.second;
  }
}

TEST(EpisodeSampler, EveryImageIsEquallyLikelyInSupportAndQuery) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {4, 1, 1}, 4);
  constexpr int kEpisodes = 12000;
  std::map<int64_t, int> support, query;
  for (uint64_t index = 0; index < kEpisodes; ++index) {
    const Episode episode = sampler.episode(Split::test, index);
    for (size_t i = 0; i < 4; ++i) {
      ++support[episode.support[i]];
      ++query[episode.query[i]];
    }
  }
  const double expected = kEpisodes * 4 / 24.0;  // 4 characters of 6 drawings
  for (const auto& counts : {support, query}) {
    ASSERT_EQ(counts.size(), 24u);
    for (const auto& [image, count] : counts) {
      EXPECT_NEAR(count, expected, 6 * std::sqrt(expected)) << "image " << image;
    }
  }
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(EpisodeSampler, ThrowsWhenAClassHasTooFewImages) {
  data::Dataset dataset = random_dataset(16, 20);
  EXPECT_EQ(error_of([&] { EpisodeSampler(dataset, {5, 5, 15}, 1); }), "");
  EXPECT_EQ(error_of([&] {
              EpisodeSampler(dataset, {5, 5, 20}, 1);
            }),
            "episode: need at least 25 images a class (shots 5 + queries 20), class Greek/character0 has 20");
  dataset.images.class_offsets[14] -= 1;
  EXPECT_EQ(
      error_of([&] {
        EpisodeSampler(dataset, {5, 5, 15}, 1);
      }),
      "episode: need at least 20 images a class (shots 5 + queries 15), class Greek/character13 has 19");
}

TEST(EpisodeSampler, ThrowsWhenASplitHasTooFewClasses) {
  data::Dataset dataset = random_dataset();
  EXPECT_EQ(error_of([&] { EpisodeSampler(dataset, {16, 1, 1}, 1); }), "");
  const EpisodeSampler sampler(dataset, {17, 1, 1}, 1);
  EXPECT_EQ(error_of([&] { sampler.check(Split::validation); }),
            "episode: need at least 17 classes (ways), split validation has 16");
  EXPECT_NO_THROW(sampler.episode(Split::train, 0)) << "which has enough";
  dataset.classes[2].clear();
  EXPECT_EQ(error_of([&] { sampler.episode(Split::test, 0); }),
            "episode: need at least 17 classes (ways), split test has 0");
}

TEST(EpisodeSampler, LabelsImagesByTheClassesOfTheSplitWhereItIsAskedTo) {
  const data::Dataset dataset = random_dataset();
  const EpisodeSampler sampler(dataset, {6, 2, 3}, 1, {}, Labels::of_split);
  const EpisodeBatch batch = sampler.batch(Split::train, 4, 2);
  const EpisodeIndices indices = sampler.indices(Split::train, 4, 2);
  for (int64_t task = 0; task < 2; ++task) {
    const Episode drawn = sampler.episode(Split::train, static_cast<uint64_t>(4 + task));
    for (int64_t n = 0; n < 6; ++n) {
      EXPECT_TRUE(batch.support_labels[task].narrow(0, 2 * n, 2).eq(drawn.classes[n]).all().item<bool>());
      EXPECT_TRUE(batch.query_labels[task].narrow(0, 3 * n, 3).eq(drawn.classes[n]).all().item<bool>());
    }
  }
  EXPECT_TRUE(indices.labels.equal(at::cat({batch.support_labels, batch.query_labels}, 1)));
  EXPECT_FALSE(EpisodeSampler(dataset, {6, 2, 3}, 1).indices(Split::train, 4, 2).labels.defined());
}

TEST(EpisodeSampler, ThrowsWhenAnOptionIsOutOfRange) {
  const data::Dataset dataset = random_dataset();
  EXPECT_EQ(error_of([&] {
              EpisodeSampler(dataset, {1, 1, 1}, 1);
            }),
            "episode.ways: need at least 2 and at most 1048576, got 1");
  EXPECT_EQ(error_of([&] {
              EpisodeSampler(dataset, {5, 0, 1}, 1);
            }),
            "episode.shots: need at least 1 and at most 1048576, got 0");
}

}  // namespace
}  // namespace ufo::episode
