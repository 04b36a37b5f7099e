#include "report/over_seeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>

namespace ufo::report {
namespace {

using testing::ElementsAre;

run::RunOptions recipe(int64_t seed, double rate = 0.4) {
  run::RunOptions options;
  options.seed = seed;
  options.inner.learning_rate = rate;
  return options;
}

run::EvaluationResult evaluation(const std::vector<double>& task_accuracies) {
  return run::summarize({.accuracy = {task_accuracies}, .loss = {task_accuracies}});
}

TEST(OverSeeds, GroupsRunsThatDifferInTheirSeedAlone) {
  run::RunOptions elsewhere = recipe(3);
  elsewhere.dataset.root = "/another/machine";
  EXPECT_THAT(group_by_seed({recipe(1), recipe(1, 2.0), recipe(2), elsewhere}),
              ElementsAre(ElementsAre(0, 2, 3), ElementsAre(1)));
}

TEST(OverSeeds, ASecondRunOfASeedBeginsAnotherGroup) {
  EXPECT_THAT(group_by_seed({recipe(1), recipe(2), recipe(1)}),
              ElementsAre(ElementsAre(0, 1), ElementsAre(2)));
}

TEST(OverSeeds, HasTheIntervalsOverEpisodesAndOverSeeds) {
  const auto accuracy = accuracy_over_seeds({evaluation({1, 0, 1, 0}), evaluation({1, 1, 1, 0})});
  EXPECT_DOUBLE_EQ(accuracy.mean, 0.625);
  EXPECT_NEAR(accuracy.over_episodes, 1.96 * 0.478714 / 2, 1e-6);                  // of 1, 0.5, 1, 0
  EXPECT_NEAR(accuracy.over_seeds.value(), 12.706 * 0.1767767 / 1.4142136, 1e-6);  // of 0.5, 0.75
  EXPECT_FALSE(accuracy_over_seeds({evaluation({1, 0})}).over_seeds);
}

TEST(OverSeeds, RefusesEvaluationsOnOtherEpisodes) {
  auto other = evaluation({1, 0});
  other.seed = 7;
  EXPECT_THROW(accuracy_over_seeds({evaluation({1, 0}), other}), ConfigError);
}

TEST(OverSeeds, StudentsQuantileGoesToThatOfTheNormalDistribution) {
  EXPECT_DOUBLE_EQ(student_quantile(2), 4.303);
  EXPECT_NEAR(student_quantile(31), 2.0395, 0.003);
  EXPECT_NEAR(student_quantile(100), 1.9840, 0.001);
  EXPECT_NEAR(student_quantile(1'000'000), 1.96, 1e-5);
}

TEST(OverSeeds, ABandSpansWhatAllCurvesHave) {
  const Band band = band_of({{{1, 4}, {2, 5}, {3, 6}}, {{1, 2}, {3, 9}}});
  ASSERT_EQ(band.mean.size(), 2u);
  EXPECT_EQ(band.mean[1].x, 3);
  EXPECT_EQ(band.mean[1].y, 7.5);
  EXPECT_EQ(band.low[0].y, 2);
  EXPECT_EQ(band.high[1].y, 9);
}

}  // namespace
}  // namespace ufo::report
