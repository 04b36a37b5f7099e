#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/reason.h>

namespace ufo {
namespace {

TEST(Reason, IsTheFirstLine) {
  EXPECT_EQ(reason(std::runtime_error("need 1, got 2\nsomewhere")), "need 1, got 2");
}

TEST(Reason, OfNoMemoryIsWithoutTheConditionThatFailed) {
  try {
    at::empty({int64_t{1} << 55});
    FAIL() << "there is more memory than thought of";
  } catch (const std::exception& error) {
    EXPECT_THAT(reason(error), testing::StartsWith("DefaultCPUAllocator: "));
  }
}

}  // namespace
}  // namespace ufo
