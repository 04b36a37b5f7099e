#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/train/progress.h>

namespace ufo::train {
namespace {

TEST(Progress, DrawsABarAndSaysTheEndAndValidations) {
  std::vector<std::string> lines, bars;
  Progress progress({.steps = 2}, {.line = [&](const std::string& line) { lines.push_back(line); },
                                   .bar = [&](const std::string& bar) { bars.push_back(bar); },
                                   .columns = [] { return 120; }});
  progress.record({.step = 1, .loss = 1, .accuracy = 0.5, .share_of_run = 0.5});
  progress.record({.step = 1, .split = data::Split::validation, .loss = 0.25, .accuracy = 0.8});
  progress.record({.step = 2, .loss = 3, .accuracy = 0.5, .share_of_run = 1});
  progress.finish();
  ASSERT_EQ(bars.size(), 3u);
  EXPECT_THAT(bars[0], testing::StartsWith(" 50% [###############...............] 1/2  "));
  EXPECT_THAT(bars[0], testing::HasSubstr("loss 1.000  accuracy 50.0%"));
  EXPECT_THAT(bars[0], testing::EndsWith(" left"));
  EXPECT_THAT(bars[1], testing::HasSubstr("validation 80.0%"));
  EXPECT_EQ(bars[2], "");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "step 1: validation accuracy 80.0%  loss 0.250");
  EXPECT_THAT(lines[1], testing::StartsWith("step 2/2  "));
}

TEST(Progress, CountsTheBudgetOfARunThatHasOne) {
  std::vector<std::string> bars;
  Progress progress({.step = 100, .share = 0.25},
                    {.line = [](const std::string&) {},
                     .bar = [&](const std::string& bar) { bars.push_back(bar); },
                     .columns = [] { return 120; }});
  progress.record({.step = 101, .loss = 1, .accuracy = 0.5, .share_of_run = 0.5});
  ASSERT_EQ(bars.size(), 1u);
  // The bar's own width is what the speed leaves it.
  EXPECT_THAT(bars[0], testing::MatchesRegex(" 50% \\[#+\\.+\\] 101, 50.0% of the budget  .* left"));
  const auto done = std::count(bars[0].begin(), bars[0].end(), '#');
  EXPECT_EQ(done, (bars[0].find(']') - bars[0].find('[') - 1) / 2);
}

TEST(Progress, FitsANarrowTerminal) {
  std::vector<std::string> bars;
  Progress progress({.steps = 100000}, {.line = [](const std::string&) {},
                                        .bar = [&](const std::string& bar) { bars.push_back(bar); },
                                        .columns = [] { return 40; }});
  progress.record({.step = 1, .loss = 1, .accuracy = 0.5});
  ASSERT_EQ(bars.size(), 1u);
  EXPECT_LT(bars[0].size(), 40u);
}

}  // namespace
}  // namespace ufo::train
