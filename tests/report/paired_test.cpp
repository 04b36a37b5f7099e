#include "report/paired.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::report {
namespace {

run::RunRecord record(const std::string& name, const std::vector<double>& task_accuracies) {
  run::RunRecord run;
  run.name = name;
  run.evaluation = run::summarize({.accuracy = {task_accuracies}, .loss = {task_accuracies}});
  return run;
}

TEST(Paired, HolmMultipliesTheKthSmallestByWhatIsLeftAndKeepsTheOrder) {
  EXPECT_THAT(holm_corrected({0.01, 0.04, 0.03, 0.005}),
              testing::ElementsAre(testing::DoubleEq(0.03), testing::DoubleEq(0.06), testing::DoubleEq(0.06),
                                   testing::DoubleEq(0.02)));
  EXPECT_THAT(holm_corrected({0.6, 0.7}), testing::ElementsAre(1, 1));
  EXPECT_TRUE(holm_corrected({}).empty());
}

TEST(Paired, TakesEachTwoRunsOnTheSameEpisodes) {
  run::RunRecord other = record("other", {0.5, 0.6, 0.7, 0.8});
  other.evaluation->seed = 7;
  run::RunRecord untested = record("untested", {0, 1});
  untested.evaluation.reset();
  const auto pairs = paired_differences(
      {record("a", {0.8, 0.7, 0.6, 0.4}), untested, other, record("b", {0.9, 0.8, 0.7, 0.6})});
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].first, 0u);
  EXPECT_EQ(pairs[0].second, 3u);
  EXPECT_EQ(difference_text(pairs[0]), "−12.50 ± 4.90");
  EXPECT_NEAR(pairs[0].p, 5.733e-7, 1e-9);  // 5 standard errors
  EXPECT_EQ(verdict_text(pairs[0]), "b: this checkpoint is better on these episodes");
}

TEST(Paired, ADifferenceOfManyPairsMustBeLargerToBeSeen) {
  const auto a = record("a", {0.5, 0.5, 0.5, 0.5}), b = record("b", {0.4, 0.45, 0.45, 0.5});
  const auto alone = paired_differences({a, b});
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_NEAR(alone[0].p, 0.01431, 1e-5);  // 2.449 standard errors
  EXPECT_TRUE(alone[0].seen());
  const auto among =
      paired_differences({a, b, record("c", {0.5, 0.45, 0.55, 0.5}), record("d", {0.5, 0.5, 0.5, 0.4})});
  ASSERT_EQ(among.size(), 6u);
  EXPECT_NEAR(among[0].p_holm, 6 * 0.01431, 1e-4);
  EXPECT_EQ(verdict_text(among[0]), "no difference seen");
}

TEST(Paired, EqualRunsDoNotDiffer) {
  const auto pairs = paired_differences({record("a", {0.5, 0.6}), record("b", {0.5, 0.6})});
  EXPECT_EQ(pairs.at(0).p, 1);
  EXPECT_EQ(verdict_text(pairs.at(0)), "no difference seen");
}

}  // namespace
}  // namespace ufo::report
