#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/nn/head.h>
#include <ufo/nn/network.h>

namespace ufo::nn {
namespace {

constexpr InputShape kInput{.channels = 2, .height = 8, .width = 8, .ways = 3};

std::unique_ptr<Network> network_of(int64_t ways, Downsampling downsampling) {
  InputShape input = kInput;
  input.ways = ways;
  return make_network({.filters = 4, .blocks = 2, .downsampling = downsampling}, input);
}

TEST(MeanHead, HasTheMeanOfTheRowsInEveryRow) {
  for (const auto downsampling : {Downsampling::stride, Downsampling::max_pool}) {
    const auto from = network_of(3, downsampling), to = network_of(7, downsampling);
    const at::Tensor old = from->initial_parameters(1) + at::arange(from->layout().size()) / 1000;
    const auto before = from->layout().unpack(old);
    const auto after = to->layout().unpack(with_mean_head(from->layout(), old, to->layout()));
    for (size_t i = 0; i < before.size(); ++i) {
      const std::string& name = to->layout().entries()[i].name;
      if (!name.starts_with("head.")) {
        EXPECT_TRUE(at::equal(after[i], before[i])) << name;
        continue;
      }
      ASSERT_EQ(after[i].size(0), 7) << name;
      for (int64_t row = 0; row < 7; ++row) {
        EXPECT_TRUE(at::allclose(after[i][row], before[i].sum(0) / 3)) << name;
      }
    }
  }
}

TEST(MeanHead, LeavesAScalarAsItIs) {  // a learned rate of a whole run
  Layout from, to;
  from.add("head.weight", {3, 2}, Start::zeros);
  to.add("head.weight", {5, 2}, Start::zeros);
  for (Layout* const layout : {&from, &to}) {
    layout->add("inner.rates", {}, Start::zeros);
  }
  const at::Tensor after = with_mean_head(from, at::arange(7, at::kFloat), to);
  EXPECT_EQ(after.numel(), 11);
  EXPECT_EQ(to.unpack(after).back().item<float>(), 6);
}

TEST(MeanHead, RefusesAnotherNetwork) {
  const auto from = network_of(3, Downsampling::stride), pooled = network_of(3, Downsampling::max_pool);
  const auto mlp = make_network({.name = "mlp", .hidden = {4}}, kInput);
  EXPECT_THROW(with_mean_head(from->layout(), from->initial_parameters(1), mlp->layout()),
               std::invalid_argument);
  EXPECT_THROW(with_mean_head(from->layout(), from->initial_parameters(1), pooled->layout()),
               std::invalid_argument);
}

}  // namespace
}  // namespace ufo::nn
