#include "nn/layers/convolution_at.h"

#include "random_numbers.h"

#include <cstdlib>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>

namespace ufo::nn {
namespace {

using testing::HasSubstr;

constexpr int64_t kImages = 3, kTasks = 2;

struct Sizes {
  int64_t channels, filters, height, width, kernel, stride;
};

void PrintTo(const Sizes& n, std::ostream* out) {
  *out << n.channels << " to " << n.filters << " channels, " << n.height << "x" << n.width << ", kernel "
       << n.kernel << ", stride " << n.stride;
}

void expect_equal(const at::Tensor& found, const at::Tensor& expected, const char* what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_LT((found - expected).norm().item<double>(), 1e-12 * expected.norm().item<double>()) << what;
}

class ConvolutionForms : public testing::TestWithParam<Sizes> {
 protected:
  static at::Tensor input(const Sizes& n) {
    return normal({kImages, kTasks, n.channels, n.height, n.width}, 1);
  }
  static at::Tensor weights(const Sizes& n) {
    return normal({kTasks, n.filters, n.channels, n.kernel, n.kernel}, 2);
  }
};

TEST_P(ConvolutionForms, AreEqual) {
  const Sizes& n = GetParam();
  const at::Tensor w = weights(n), bias = normal({kTasks, n.filters}, 3);
  const auto grouped = convolution_at(ConvolutionForm::grouped, input(n), n.kernel, n.stride),
             unfolded = convolution_at(ConvolutionForm::unfolded, input(n), n.kernel, n.stride);
  const at::Tensor y = grouped->value(w, bias);
  expect_equal(unfolded->value(w, bias), y, "value");
  expect_equal(unfolded->value(w, {}), grouped->value(w, {}), "value without bias");
  const at::Tensor dy = normal(y.sizes(), 4);
  const auto [dx, dw] = grouped->adjoint(dy, w, true, true);
  const auto [unfolded_dx, unfolded_dw] = unfolded->adjoint(dy, w, true, true);
  expect_equal(unfolded_dx, dx, "dx");
  expect_equal(unfolded_dw, dw, "dw");
  const auto [no_dx, dw_alone] = unfolded->adjoint(dy, w, false, true);
  EXPECT_FALSE(no_dx.defined());
  expect_equal(dw_alone, dw, "dw alone");
}

TEST_P(ConvolutionForms, TakeWeightsThatTasksShare) {
  const Sizes& n = GetParam();
  const at::Tensor w = weights(n)[0].expand({kTasks, -1, -1, -1, -1}), copied = w.contiguous();
  for (const ConvolutionForm form : {ConvolutionForm::grouped, ConvolutionForm::unfolded}) {
    const auto at_x = convolution_at(form, input(n), n.kernel, n.stride);
    const at::Tensor y = at_x->value(copied, {}), dy = normal(y.sizes(), 4);
    expect_equal(at_x->value(w, {}), y, "value");
    const auto [dx, dw] = at_x->adjoint(dy, copied, true, true);
    const auto [shared_dx, shared_dw] = at_x->adjoint(dy, w, true, true);
    expect_equal(shared_dx, dx, "dx");
    expect_equal(shared_dw, dw, "dw");
  }
}

TEST_P(ConvolutionForms, KeepTheFirstTasks) {
  const Sizes& n = GetParam();
  const at::Tensor w = weights(n);
  for (const ConvolutionForm form : {ConvolutionForm::grouped, ConvolutionForm::unfolded}) {
    const auto at_x = convolution_at(form, input(n), n.kernel, n.stride);
    const at::Tensor y = at_x->value(w, {}), dy = normal(y.sizes(), 4);
    const auto [dx, dw] = at_x->adjoint(dy, w, true, true);
    at_x->keep(1);
    expect_equal(at_x->value(w.narrow(0, 0, 1), {}), y.narrow(1, 0, 1), "value");
    const auto [kept_dx, kept_dw] = at_x->adjoint(dy.narrow(1, 0, 1), w.narrow(0, 0, 1), true, true);
    expect_equal(kept_dx, dx.narrow(1, 0, 1), "dx");
    expect_equal(kept_dw, dw.narrow(0, 0, 1), "dw");
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ConvolutionForms,
                         testing::Values(Sizes{1, 4, 28, 28, 3, 2}, Sizes{4, 3, 7, 5, 3, 1},
                                         Sizes{3, 2, 6, 9, 5, 2}, Sizes{2, 5, 8, 8, 1, 1},
                                         Sizes{4, 4, 1, 1, 3, 2}));

class ConvolutionFormFor : public testing::Test {
 protected:
  void TearDown() override { ::unsetenv("UFO_CONVOLUTION"); }
  static ConvolutionForm chosen(const char* asked) {
    ::setenv("UFO_CONVOLUTION", asked, 1);
    return convolution_form(normal({2, 3, 4, 9, 9}, 1), normal({3, 4, 4, 3, 3}, 2), 1);
  }
};

TEST_F(ConvolutionFormFor, IsTheOneThatIsAskedFor) {
  EXPECT_EQ(chosen("grouped"), ConvolutionForm::grouped);
  EXPECT_EQ(chosen("unfolded"), ConvolutionForm::unfolded);
  EXPECT_THAT(
      [] { chosen("winograd"); },
      testing::ThrowsMessage<UserError>(HasSubstr("need grouped, unfolded or fastest, got 'winograd'")));
}

TEST_F(ConvolutionFormFor, IsTimedOnceForEachSizes) {
  const ConvolutionForm first = chosen("fastest");
  for (int repeat = 0; repeat < 20; ++repeat) {
    EXPECT_EQ(chosen("fastest"), first);
  }
}

}  // namespace
}  // namespace ufo::nn
