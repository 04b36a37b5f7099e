#include "emulated_kernels.h"
#include "nn/cuda/convolution.h"
#include "nn/layers/convolution_at.h"
#include "nn/layers/planar.h"
#include "random_numbers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ufo::nn {
namespace {

struct Sizes {
  int64_t channels, filters, images, height, width, kernel, stride;
};

void PrintTo(const Sizes& n, std::ostream* out) {
  *out << n.channels << " to " << n.filters << " channels, " << n.images << " images of " << n.height << "x"
       << n.width << ", kernel " << n.kernel << ", stride " << n.stride;
}

void expect_equal(const at::Tensor& found, const at::Tensor& expected, const char* what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_LT((found - expected).norm().item<double>(), 1e-12 * expected.norm().item<double>()) << what;
}

/// The kernels for CUDA devices, on the processor, against ATen's convolutions: (sizes, tiling).
class CudaConvolution : public testing::TestWithParam<std::tuple<Sizes, size_t>> {
 protected:
  static void SetUpTestSuite() { set_kernel_runner(at::kCPU, emulated_kernels()); }
  static void TearDownTestSuite() { set_kernel_runner(at::kCPU, nullptr); }
};

TEST_P(CudaConvolution, GivesSumsOfProductsAsAtenDoes) {
  const auto& [n, tiling] = GetParam();
  constexpr int64_t kTasks = 2;
  const auto input = [&](uint64_t seed) {
    return normal({n.images, kTasks, n.channels, n.height, n.width}, seed);
  };
  const auto weights = [&](uint64_t seed) {
    return normal({kTasks, n.kernel, n.kernel, n.channels, n.filters}, seed);
  };
  const at::Tensor x = input(1), x_t = input(2), w = weights(3), w_t = weights(4);
  const auto by_layout = [](const at::Tensor& w) { return w.permute({0, 4, 3, 1, 2}); };
  const auto aten = [&](const at::Tensor& x) {
    return convolution_at(ConvolutionForm::grouped, x, n.kernel, n.stride);
  };
  const at::Tensor of_w = by_layout(w).contiguous(), of_w_t = by_layout(w_t).contiguous();
  const at::Tensor y = aten(x)->value(of_w, {}), dy = normal(y.sizes(), 5), dy_t = normal(y.sizes(), 6);

  const cuda::Convolution convolution(planar(x), n.filters, n.kernel, n.stride, tiling);
  expect_equal(from_planar(convolution.value({{planar(x), w}})), y, "value");
  expect_equal(from_planar(convolution.value({{planar(x), w_t}, {planar(x_t), w}})),
               aten(x)->value(of_w_t, {}) + aten(x_t)->value(of_w, {}), "tangent");
  const auto [dx, dw] = aten(x)->adjoint(dy, of_w, true, true);
  expect_equal(from_planar(convolution.by_input({{planar(dy), w}})), dx, "dx");
  expect_equal(by_layout(convolution.by_weights({{planar(x), planar(dy)}})), dw, "dw");
  expect_equal(
      from_planar(convolution.by_input({{planar(dy_t), w}, {planar(dy), w_t}})),
      aten(x)->adjoint(dy_t, of_w, true, false).first + aten(x)->adjoint(dy, of_w_t, true, false).first,
      "tangent of dx");
  expect_equal(
      by_layout(convolution.by_weights({{planar(x), planar(dy_t)}, {planar(x_t), planar(dy)}})),
      aten(x)->adjoint(dy_t, of_w, false, true).second + aten(x_t)->adjoint(dy, of_w, false, true).second,
      "tangent of dw");

  const at::Tensor shared = w.narrow(0, 0, 1).expand_as(w);
  expect_equal(from_planar(convolution.value({{planar(x), shared}})),
               aten(x)->value(by_layout(shared.contiguous()), {}), "value by weights that the tasks share");
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, CudaConvolution,
    testing::Combine(testing::Values(Sizes{1, 64, 5, 14, 14, 3, 2}, Sizes{64, 65, 2, 7, 7, 3, 2},
                                     Sizes{33, 36, 3, 5, 4, 3, 1}, Sizes{3, 2, 3, 6, 9, 5, 2},
                                     Sizes{2, 5, 3, 8, 8, 1, 1}, Sizes{4, 4, 3, 1, 1, 3, 2},
                                     Sizes{3, 8, 6, 21, 21, 3, 1}, Sizes{2, 3, 2, 7, 8, 3, 3},
                                     Sizes{3, 4, 2, 5, 6, 1, 2}),
                     testing::Range<size_t>(0, cuda::Convolution::kTilings)));

TEST(CudaConvolutionParts, SumUpManyPixels) {  // more than one part of the weights' gradient
  set_kernel_runner(at::kCPU, emulated_kernels());
  const at::Tensor x = normal({4, 1, 1, 25, 25}, 1), dy = normal({4, 1, 3, 25, 25}, 2);
  const cuda::Convolution convolution(planar(x), 3, 3, 1);
  const at::Tensor dw = convolution_at(ConvolutionForm::grouped, x, 3, 1)
                            ->adjoint(dy, at::empty({1, 3, 1, 3, 3}, x.options()), false, true)
                            .second;
  expect_equal(convolution.by_weights({{planar(x), planar(dy)}}).permute({0, 4, 3, 1, 2}), dw, "dw");
  set_kernel_runner(at::kCPU, nullptr);
}

}  // namespace
}  // namespace ufo::nn
