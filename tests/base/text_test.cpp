#include <limits>

#include <gtest/gtest.h>

#include <ufo/base/text.h>

namespace ufo {
namespace {

TEST(DurationText, HasItsTwoLargestUnits) {
  EXPECT_EQ(duration_text(3.44), "3.4 s");
  EXPECT_EQ(duration_text(36.4), "36 s");
  EXPECT_EQ(duration_text(745), "12 min 25 s");
  EXPECT_EQ(duration_text(3 * 3600 + 20 * 60 + 5), "3 h 20 min");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::quiet_NaN()), "unknown");
}

}  // namespace
}  // namespace ufo
