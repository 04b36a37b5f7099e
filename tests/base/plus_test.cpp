#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/base/plus.h>

namespace ufo {
namespace {

TEST(Plus, TakesAnUndefinedTensorForZero) {
  const at::Tensor a = at::tensor({1.0, 2.0}), b = at::tensor({3.0, -2.0}), none;
  EXPECT_TRUE(plus(a, b).equal(at::tensor({4.0, 0.0})));
  EXPECT_TRUE(plus(a, none).equal(a));
  EXPECT_TRUE(plus(none, b).equal(b));
  EXPECT_FALSE(plus(none, none).defined());
}

}  // namespace
}  // namespace ufo
