#include "nn/cpu/convolution.h"
#include "random_numbers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/base/parallel.h>

namespace ufo::nn::cpu {
namespace {

struct Case {
  int64_t height, width, filters;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.height << "x" << c.width << " pixels, " << c.filters << " filters";
}

/// The second block of a network, whose convolution sees `filters` channels of height x width pixels at
/// stride 1, where blocks end in pooling, or 2.
BlockGeometry geometry_of(const Case& c, Downsampling downsampling, int64_t images, int64_t lanes,
                          int64_t bytes) {
  const ConvNet net({.filters = c.filters, .blocks = 2, .downsampling = downsampling},
                    {.channels = 1, .height = 2 * c.height, .width = 2 * c.width, .ways = 2});
  return make_geometry(net, images, lanes, bytes)[1];
}

/// What a convolution gives for random images and weights: u for two pairs of factors, dx likewise, and dw.
template <class T>
struct Products {
  static constexpr at::ScalarType kType = c10::CppTypeToScalarType<T>::value;
  BlockGeometry g;
  at::Tensor x[2], w[2], du[2];  // [images, H, W, C], [3, 3, C, F], [images, H, W, F]
  at::Tensor u, dx, dw;

  Products(const Case& c, Downsampling downsampling, int64_t images)
      : g(geometry_of(c, downsampling, images, kernels<T>().lanes, sizeof(T))) {
    const int64_t in = g.in_channels, out = g.sizes.channels, chunk = g.chunk;
    for (int i = 0; i < 2; ++i) {
      x[i] = normal({chunk, c.height, c.width, in}, 1 + i).to(kType);
      w[i] = normal({3, 3, in, out}, 3 + i).to(kType);
      du[i] = normal({chunk, g.sizes.height, g.sizes.width, out}, 5 + i).to(kType);
    }
    u = at::empty_like(du[0]), dx = at::empty_like(x[0]), dw = at::empty_like(w[0]);
  }

  void multiply() {
    const int64_t in = g.in_channels, out = g.sizes.channels;
    Scratch<T> scratch;
    Convolution<T> convolution(g, scratch);
    std::vector<at::Tensor> alive;
    const auto data = [&](const at::Tensor& tensor) {
      alive.push_back(tensor.contiguous());
      return alive.back().template const_data_ptr<T>();
    };
    const auto bordered = [&](const at::Tensor& images) {
      return data(at::constant_pad_nd(images, {0, 0, 1, 1, 1, 1}));
    };
    const auto transposed = [&](const at::Tensor& weights) {
      const at::Tensor taps = at::empty({9, out, in}, kType);
      for (int64_t tap = 0; tap < 9; ++tap) {
        taps[g.transposed_tap[tap]].copy_(weights[tap / 3][tap % 3].t());
      }
      return data(taps);
    };
    const T *x0 = bordered(x[0]), *x1 = bordered(x[1]), *du0 = bordered(du[0]), *du1 = bordered(du[1]);
    convolution.value(g.chunk, {x0, convolution.filters(data(w[0]))},
                      {x1, convolution.second_filters(data(w[1]))}, u.template mutable_data_ptr<T>());
    convolution.input_gradient(g.chunk, {du0, convolution.filters(transposed(w[0]))},
                               {du1, convolution.second_filters(transposed(w[1]))},
                               dx.template mutable_data_ptr<T>());
    convolution.weight_gradient(g.chunk, x0, du0, dw.template mutable_data_ptr<T>(), false);
    convolution.weight_gradient(g.chunk, x1, du1, dw.template mutable_data_ptr<T>(), true);
    convolution.finish_weights(dw.template mutable_data_ptr<T>());
  }

  void expect_those_of_aten(double bound) {
    at::Tensor expected_u = at::zeros({}, at::kDouble), expected_dx = expected_u, expected_dw = expected_u;
    for (int i = 0; i < 2; ++i) {
      const at::Tensor images = x[i].to(at::kDouble).permute({0, 3, 1, 2}),
                       weights = w[i].to(at::kDouble).permute({3, 2, 0, 1}),
                       gradient = du[i].to(at::kDouble).permute({0, 3, 1, 2});
      expected_u = expected_u + at::conv2d(images, weights, {}, g.stride, 1);
      const std::array<int64_t, 2> ones = {1, 1}, zeros = {0, 0}, strides = {g.stride, g.stride};
      const auto [by_x, by_w, by_bias] = at::convolution_backward(
          gradient, images, weights, c10::nullopt, strides, ones, ones, false, zeros, 1, {true, true, false});
      expected_dx = expected_dx + by_x, expected_dw = expected_dw + by_w;
    }
    EXPECT_LT(relative_error(u, expected_u.permute({0, 2, 3, 1})), bound);
    EXPECT_LT(relative_error(dx, expected_dx.permute({0, 2, 3, 1})), bound);
    EXPECT_LT(relative_error(dw, expected_dw.permute({2, 3, 1, 0})), bound);
  }
};

template <class T>
void expect_those_of_aten(const Case& c, Downsampling downsampling, int64_t images, double bound) {
  Products<T> products(c, downsampling, images);
  ASSERT_TRUE(products.g.tiles);
  products.multiply();
  products.expect_those_of_aten(bound);
}

void expect_the_same_bytes_with_any_number_of_threads(const Case& c, Downsampling downsampling,
                                                      int64_t images) {
  Products<float> one(c, downsampling, images), three(c, downsampling, images);
  set_task_threads(1);
  one.multiply();
  set_task_threads(3);
  three.multiply();
  set_task_threads(0);
  EXPECT_TRUE(at::equal(one.u, three.u));
  EXPECT_TRUE(at::equal(one.dx, three.dx));
  EXPECT_TRUE(at::equal(one.dw, three.dw));
}

/// The convolutions of one algorithm.
struct Kind {
  Downsampling downsampling;
  int64_t images;
  double float_bound;
};

void PrintTo(const Kind& kind, std::ostream* out) {
  *out << (kind.downsampling == Downsampling::stride ? "stride 2" : "stride 1");
}

constexpr Kind kWinograd{Downsampling::max_pool, 3, 4e-6}, kPolyphase{Downsampling::stride, 11, 1e-6};

class TilesOf : public testing::TestWithParam<std::tuple<Kind, Case>> {};

TEST_P(TilesOf, GiveTheProductsOfATen) {
  const auto& [kind, sizes] = GetParam();
  expect_those_of_aten<double>(sizes, kind.downsampling, kind.images, 1e-12);
  expect_those_of_aten<float>(sizes, kind.downsampling, kind.images, kind.float_bound);
}

TEST_P(TilesOf, HaveTheSameBytesWithAnyNumberOfThreads) {
  const auto& [kind, sizes] = GetParam();
  expect_the_same_bytes_with_any_number_of_threads(sizes, kind.downsampling, kind.images);
}

INSTANTIATE_TEST_SUITE_P(
    Winograd, TilesOf,
    testing::Combine(testing::Values(kWinograd),
                     testing::Values(Case{8, 8, 16}, Case{9, 13, 33}, Case{15, 8, 70}, Case{42, 42, 32},
                                     Case{96, 11, 16}, Case{10, 95, 24}, Case{21, 21, 64}, Case{5, 6, 48})));

// Every number of pixels that the last tile may have, along both axes.
INSTANTIATE_TEST_SUITE_P(
    Polyphase, TilesOf,
    testing::Combine(testing::Values(kPolyphase),
                     testing::Values(Case{14, 14, 64}, Case{7, 7, 64}, Case{13, 11, 33}, Case{9, 10, 70},
                                     Case{12, 15, 40}, Case{16, 13, 48}, Case{42, 42, 32}, Case{84, 17, 24},
                                     Case{11, 96, 24}, Case{21, 6, 50}, Case{5, 14, 64})));

TEST(Tiles, AreLargeWhereTheyFitAndSmallWhereTheyFitBetter) {
  const auto algorithm = [](int64_t size) {
    return geometry_of({size, size, 32}, Downsampling::max_pool, 1, 16, 4).tiles->algorithm;
  };
  EXPECT_EQ(algorithm(42), Algorithm::winograd4);
  EXPECT_EQ(algorithm(21), Algorithm::winograd3);
  EXPECT_EQ(algorithm(10), Algorithm::winograd4);
}

TEST(Tiles, AreLeftOutWhereTheySaveNothing) {
  EXPECT_FALSE(geometry_of({2, 2, 32}, Downsampling::max_pool, 1, 16, 4).tiles);
  EXPECT_TRUE(geometry_of({14, 14, 64}, Downsampling::stride, 5, 16, 4).tiles);
  EXPECT_TRUE(geometry_of({7, 7, 64}, Downsampling::stride, 5, 16, 4).tiles);
  EXPECT_FALSE(geometry_of({4, 4, 64}, Downsampling::stride, 5, 16, 4).tiles);
}

}  // namespace
}  // namespace ufo::nn::cpu
