#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include <ufo/base/random.h>

namespace ufo {
namespace {

TEST(RandomStream, IsAFunctionOfSeedPurposeAndIndex) {
  RandomStream a(7, Purpose::coins, 3), b(7, Purpose::coins, 3);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(a.bits(), b.bits());
  }
  std::set<uint32_t> firsts;
  for (uint64_t seed : {7, 8}) {
    for (Purpose purpose : {Purpose::coins, Purpose::train_episodes}) {
      for (uint64_t index : {3, 4}) {
        firsts.insert(RandomStream(seed, purpose, index).bits());
      }
    }
  }
  EXPECT_EQ(firsts.size(), 8u);
}

TEST(RandomStream, BelowIsUniform) {
  RandomStream random(1, Purpose::test, 0);
  std::array<int, 6> counts{};
  constexpr int kDraws = 60000;
  for (int i = 0; i < kDraws; ++i) {
    ++counts.at(random.below(6));
  }
  for (int count : counts) {
    EXPECT_NEAR(count, kDraws / 6, 5 * std::sqrt(kDraws / 6.0));
  }
}

TEST(RandomStream, SampleGivesDistinctValuesAndEveryPermutation) {
  std::set<std::vector<uint32_t>> seen;
  for (uint64_t index = 0; index < 500; ++index) {
    const auto sample = RandomStream(1, Purpose::test, index).sample(3, 3);
    EXPECT_EQ(std::set<uint32_t>(sample.begin(), sample.end()).size(), 3u);
    seen.insert(sample);
  }
  EXPECT_EQ(seen.size(), 6u);
}

TEST(RandomStream, SampleRefusesMoreThanThereAre) {
  EXPECT_THROW(RandomStream(1, Purpose::test, 0).sample(4, 3), std::invalid_argument);
}

TEST(RandomStream, NormalHasMeanZeroAndVarianceOne) {
  RandomStream random(1, Purpose::test, 0);
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
}

}  // namespace
}  // namespace ufo
