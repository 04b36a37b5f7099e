#include "support/temporary_folder.h"

#include <set>

#include <gtest/gtest.h>

#include <ufo/run/best_checkpoints.h>

namespace ufo::run {
namespace {

TEST(BestCheckpoints, AreRankedWithTheEarlierOfATieFirst) {
  std::vector<Validated> best;
  EXPECT_TRUE(insert_ranked(best, {.step = 1, .accuracy = 0.5}, 3));
  EXPECT_TRUE(insert_ranked(best, {.step = 2, .accuracy = 0.7}, 3));
  EXPECT_TRUE(insert_ranked(best, {.step = 3, .accuracy = 0.5}, 3));
  EXPECT_FALSE(insert_ranked(best, {.step = 4, .accuracy = 0.5}, 3));
  EXPECT_TRUE(insert_ranked(best, {.step = 5, .accuracy = 0.6}, 3));
  EXPECT_EQ(best, (std::vector<Validated>{{2, 0.7}, {5, 0.6}, {1, 0.5}}));
}

TEST(BestCheckpoints, OneAloneIsTheBestSoFar) {
  std::vector<Validated> best;
  EXPECT_TRUE(insert_ranked(best, {.step = 1, .accuracy = 0.5}, 1));
  EXPECT_FALSE(insert_ranked(best, {.step = 2, .accuracy = 0.5}, 1));
  EXPECT_TRUE(insert_ranked(best, {.step = 3, .accuracy = 0.6}, 1));
  EXPECT_EQ(best, (std::vector<Validated>{{3, 0.6}}));
}

TEST(BestCheckpoints, OnlyOutrankedOnesAreRemoved) {
  const TemporaryFolder folder;
  const auto best = folder.path() / "best.safetensors";
  const std::vector<std::string> stay = {"best.safetensors",    "last.safetensors",
                                         "best_20.safetensors", "best_of_mine.safetensors",
                                         "best_.safetensors",   "best_10.json"};
  std::set<std::string> names(stay.begin(), stay.end());
  names.insert("best_10.safetensors");
  for (const std::string& name : names) {
    std::ofstream(folder.path() / name) << name;
  }
  EXPECT_EQ(kept_checkpoint(best, 10), folder.path() / "best_10.safetensors");
  remove_outranked(best, {{.step = 20, .accuracy = 0.5}});
  std::set<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    left.insert(entry.path().filename().string());
  }
  EXPECT_EQ(left, std::set<std::string>(stay.begin(), stay.end()));
}

}  // namespace
}  // namespace ufo::run
