#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include <ufo/base/parallel.h>
#include <ufo/base/tree_sum.h>

namespace ufo {
namespace {

/// Numbers whose sum depends on its order.
float value(int64_t i) { return 1 / (static_cast<float>(i) * 0.37f + 0.11f); }

float sum_of(int64_t first, int64_t count) {
  TreeSum<float> sum(count);
  for (int64_t i = 0; i < count; ++i) {
    sum.add(i, value(first + i));
  }
  return sum.take();
}

TEST(TreeSum, AddsUpHalves) {
  TreeSum<float> sum(5);
  for (int64_t i : {3, 0, 4, 1, 2}) {
    sum.add(i, value(i));
  }
  EXPECT_EQ(sum.take(), (value(0) + value(1)) + (value(2) + (value(3) + value(4))));
}

TEST(TreeSum, HasTheSameBytesInAnyOrderAndFromManyThreads) {
  constexpr int64_t kCount = 37;
  const float expected = sum_of(0, kCount);
  std::vector<int64_t> order(kCount);
  std::iota(order.begin(), order.end(), int64_t{0});
  TreeSum<float> backwards(kCount), threads(kCount);
  std::for_each(order.rbegin(), order.rend(), [&](int64_t i) { backwards.add(i, value(i)); });
  parallel_tasks(kCount, [&](int64_t i) { threads.add(i, value(i)); });
  EXPECT_EQ(backwards.take(), expected);
  EXPECT_EQ(threads.take(), expected);
  float in_a_row = 0;
  for (const int64_t i : order) {
    in_a_row += value(i);
  }
  EXPECT_NE(in_a_row, expected) << "the order makes no difference to these values";
}

TEST(TreeSum, OfEqualPartsAddsUpToThatOfTheWhole) {
  for (const int64_t count : {4, 12, 20, 28, 32}) {
    for (const int64_t parts : {2, 4}) {
      TreeSum<float> sum(parts);
      for (int64_t part = 0; part < parts; ++part) {
        sum.add(part, sum_of(part * count / parts, count / parts));
      }
      EXPECT_EQ(sum.take(), sum_of(0, count)) << count << " in " << parts;
    }
  }
}

}  // namespace
}  // namespace ufo
