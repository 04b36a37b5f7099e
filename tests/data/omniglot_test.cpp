#include "data/omniglot.h"

#include "support/source_folder.h"
#include "support/temporary_folder.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>

namespace ufo::data {
namespace {

DatasetOptions embedded(const std::string& split) {
  DatasetOptions options;
  options.root = source_path("data/omniglot");
  options.split = split;
  return options;
}

/// The Omniglot of the repository; one cache for all tests of a process.
class Omniglot : public testing::Test {
 protected:
  static void SetUpTestSuite() { cache_ = std::make_unique<PrivateCache>(); }
  static void TearDownTestSuite() { cache_.reset(); }

  static std::unique_ptr<PrivateCache> cache_;
};

std::unique_ptr<PrivateCache> Omniglot::cache_;

std::array<size_t, 3> sizes_of(const Dataset& dataset) {
  return {dataset.classes[0].size(), dataset.classes[1].size(), dataset.classes[2].size()};
}

void expect_disjoint(const Dataset& dataset) {
  std::set<std::pair<int, int>> seen;
  std::array<std::set<int>, 3> characters;
  for (size_t split = 0; split < 3; ++split) {
    for (const EpisodeClass& c : dataset.classes[split]) {
      EXPECT_TRUE(seen.insert({c.image_class, c.quarter_turns}).second);
      characters[split].insert(c.image_class);
    }
  }
  for (size_t split = 0; split < 3; ++split) {
    for (int c : characters[split]) {
      EXPECT_FALSE(characters[(split + 1) % 3].contains(c))
          << dataset.images.class_names[static_cast<size_t>(c)];
    }
  }
}

TEST_F(Omniglot, HoldsAllDrawingsClassByClass) {
  const Dataset dataset = load_dataset(embedded("maml"));
  EXPECT_EQ(dataset.images.images.sizes(), (at::IntArrayRef{32460, 28, 28, 1}));
  EXPECT_EQ(dataset.images.images.scalar_type(), at::kByte);
  EXPECT_TRUE(dataset.images.images.is_contiguous());
  ASSERT_EQ(dataset.images.classes(), 1623);
  for (int64_t c = 0; c < 1623; ++c) {
    ASSERT_EQ(dataset.images.class_size(c), 20);
  }
  EXPECT_EQ(dataset.images.class_names.front(), "Alphabet_of_the_Magi/character01");
  EXPECT_EQ(dataset.images.class_names[963], "Tifinagh/character55");
  EXPECT_EQ(dataset.images.class_names[964], "Angelic/character01");
  EXPECT_EQ(dataset.images.class_names.back(), "ULOG/character26");
  EXPECT_EQ(dataset.mean, std::vector<float>{0});
  EXPECT_EQ(dataset.deviation, std::vector<float>{1});
}

TEST_F(Omniglot, StrokesAreBrightOnBlack) {
  const Dataset dataset = load_dataset(embedded("maml"));
  const at::Tensor& images = dataset.images.images;
  EXPECT_GT((images == 0).to(at::kFloat).mean().item<float>(), 0.7);
  EXPECT_EQ(images.max().item<int>(), 255);
}

TEST_F(Omniglot, SplitMamlIsShuffledBySeed) {
  const Dataset dataset = load_dataset(embedded("maml"));
  EXPECT_EQ(sizes_of(dataset), (std::array<size_t, 3>{4400, 400, 1692}));
  expect_disjoint(dataset);
  EXPECT_EQ(load_dataset(embedded("maml")).classes, dataset.classes);

  DatasetOptions other = embedded("maml");
  other.split_seed = 2;
  EXPECT_NE(load_dataset(other).classes, dataset.classes);
}

TEST_F(Omniglot, SplitVinyalsIsTheList) {
  const Dataset dataset = load_dataset(embedded("vinyals"));
  EXPECT_EQ(sizes_of(dataset), (std::array<size_t, 3>{4 * 1028, 4 * 172, 4 * 423}));
  expect_disjoint(dataset);
  const auto name = [&](const EpisodeClass& c) {
    return dataset.images.class_names[static_cast<size_t>(c.image_class)];
  };
  EXPECT_EQ(name(dataset.of(Split::validation).front()), "Armenian/character01");
  EXPECT_EQ(name(dataset.of(Split::test).front()), "Gurmukhi/character42");
}

TEST_F(Omniglot, SplitLakeTestsOnEvaluationAndValidatesOnWholeAlphabets) {
  DatasetOptions options = embedded("lake");
  options.rotations = false;
  const Dataset dataset = load_dataset(options);
  EXPECT_EQ(dataset.of(Split::test).size(), 659u);
  EXPECT_EQ(dataset.of(Split::train).size() + dataset.of(Split::validation).size(), 964u);
  expect_disjoint(dataset);
  std::array<std::set<std::string>, 3> alphabets;
  for (size_t split = 0; split < 3; ++split) {
    for (const EpisodeClass& c : dataset.classes[split]) {
      const std::string& name = dataset.images.class_names[static_cast<size_t>(c.image_class)];
      alphabets[split].insert(name.substr(0, name.find('/')));
    }
  }
  EXPECT_EQ(alphabets[0].size(), 25u);
  EXPECT_EQ(alphabets[1].size(), 5u);
  EXPECT_EQ(alphabets[2].size(), 20u);
  for (const std::string& alphabet : alphabets[1]) {
    EXPECT_FALSE(alphabets[0].contains(alphabet)) << alphabet;
  }
}

TEST_F(Omniglot, RotationsGiveEachCharacterFourClassesInItsSplit) {
  DatasetOptions options = embedded("vinyals");
  const Dataset turned = load_dataset(options);
  options.rotations = false;
  const Dataset upright = load_dataset(options);
  EXPECT_EQ(sizes_of(upright), (std::array<size_t, 3>{1028, 172, 423}));
  for (size_t split = 0; split < 3; ++split) {
    for (size_t c = 0; c < upright.classes[split].size(); ++c) {
      EXPECT_EQ(upright.classes[split][c].quarter_turns, 0);
      for (int32_t turns = 0; turns < 4; ++turns) {
        const EpisodeClass expected{upright.classes[split][c].image_class, turns};
        ASSERT_EQ(turned.classes[split][4 * c + static_cast<size_t>(turns)], expected);
      }
    }
  }
}

TEST_F(Omniglot, LoadsFromItsCacheTheSecondTime) {
  const Dataset first = load_dataset(embedded("maml"));
  double seconds = std::numeric_limits<double>::infinity();  // the best of a few: the machine may be busy
  Dataset second;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    second = load_dataset(embedded("maml"));
    seconds =
        std::min(seconds, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  EXPECT_LT(seconds, 0.3);
  EXPECT_EQ(second.cache.parent_path(), cache_->path() / "ufo-maml");
  EXPECT_TRUE(second.images.images.equal(first.images.images));
  EXPECT_EQ(second.images.class_names, first.images.class_names);
  EXPECT_EQ(second.images.class_offsets, first.images.class_offsets);
}

TEST_F(Omniglot, VerifiesAgainstThePublishedDrawings) {
  const Verification found = verify_dataset(embedded("vinyals"));
  ASSERT_EQ(found.sources.size(), 2u);
  EXPECT_EQ(found.sources[0].path.filename(), "images_background.zip");
  EXPECT_EQ(found.sources[0].groups, 30);
  EXPECT_EQ(found.sources[0].classes, 964);
  EXPECT_EQ(found.sources[0].images, 19280);
  EXPECT_EQ(found.sources[1].groups, 20);
  EXPECT_EQ(found.sources[1].classes, 659);
  EXPECT_EQ(found.sources[1].images, 13180);
  EXPECT_TRUE(found.sources[0].as_published) << found.sources[0].digest;
  EXPECT_TRUE(found.sources[1].as_published) << found.sources[1].digest;
  EXPECT_EQ(found.classes, (std::array<int64_t, 3>{4 * 1028, 4 * 172, 4 * 423}));
}

}  // namespace
}  // namespace ufo::data
