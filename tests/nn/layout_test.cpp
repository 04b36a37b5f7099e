#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>
#include <ufo/nn/network.h>

namespace ufo::nn {
namespace {

TEST(Layout, UnpackInvertsPackForSeveralTasks) {
  Layout layout;
  layout.add("conv.weight", {4, 3, 2, 2}, Start::glorot, {.memory = {2, 3, 1, 0}});
  layout.add("head.weight", {5, 12}, Start::glorot, {.axes = {5, 3, 2, 2}, .memory = {0, 2, 3, 1}});
  layout.add("head.bias", {5}, Start::zeros);
  EXPECT_EQ(layout.size(), 48 + 60 + 5);
  const auto flat = at::arange(2 * layout.size()).view({2, layout.size()});
  const auto tensors = layout.unpack(flat);
  EXPECT_EQ(tensors[0].sizes(), at::IntArrayRef({2, 4, 3, 2, 2}));
  EXPECT_EQ(tensors[1].sizes(), at::IntArrayRef({2, 5, 12}));
  EXPECT_TRUE(at::equal(layout.pack(tensors), flat));
  // conv.weight[f, c, y, x] lies at ((y * 2 + x) * 3 + c) * 4 + f
  EXPECT_EQ(tensors[0][0][1][2][1][0].item<int64_t>(), ((1 * 2 + 0) * 3 + 2) * 4 + 1);
  // head.weight[n, (c, y, x)] lies at ((n * 2 + y) * 2 + x) * 3 + c
  EXPECT_EQ(tensors[1][0][4][1 * 4 + 1 * 2 + 0].item<int64_t>(), 48 + ((4 * 2 + 1) * 2 + 0) * 3 + 1);
}

TEST(Layout, PacksAnUndefinedTensorAsZeros) {
  Layout layout;
  layout.add("bias", {2}, Start::zeros);
  layout.add("weight", {3}, Start::zeros);
  layout.add("large", {4}, Start::zeros);
  const auto flat = layout.pack({at::Tensor(), at::ones({2, 3}), at::Tensor()});
  EXPECT_TRUE(flat.equal(at::tensor({0., 0., 1., 1., 1., 0., 0., 0., 0.}, at::kFloat).expand({2, 9})));
}

TEST(Layout, RefusesTensorsOfAnotherShape) {
  Layout layout;
  layout.add("bias", {5}, Start::zeros);
  EXPECT_THROW(layout.pack({at::zeros({6})}), std::invalid_argument);
  EXPECT_THROW(layout.unpack(at::zeros({6})), std::invalid_argument);
}

TEST(Layout, KnowsTheHeadByItsDeclarationAlone) {
  Layout layout;
  layout.begin_block();
  layout.add("head.weight", {2}, Start::zeros);
  EXPECT_THROW(layout.start_of_last(0), std::invalid_argument);
  layout.begin_head();
  layout.add("classifier", {3}, Start::zeros);
  EXPECT_EQ(layout.depth(), 1);
  EXPECT_EQ(layout.start_of_last(0), 2);
  EXPECT_THROW(layout.begin_block(), std::logic_error);
}

TEST(Network, NamesItsParametersAsPyTorchDoes) {
  const auto network = make_network({.filters = 8, .blocks = 2}, {.channels = 3, .ways = 7});
  std::string names;
  for (const auto& entry : network->layout().entries()) {
    names += entry.name + " ";
  }
  EXPECT_EQ(names,
            "blocks.0.conv.weight blocks.0.conv.bias blocks.0.norm.weight blocks.0.norm.bias "
            "blocks.1.conv.weight blocks.1.conv.bias blocks.1.norm.weight blocks.1.norm.bias head.weight "
            "head.bias ");
}

TEST(Network, NamesTheParametersOfResNet12AsItsPyTorchImplementationsDo) {
  const auto network = make_network({.name = "resnet12", .widths = {4}}, {.channels = 3, .ways = 2});
  std::string names;
  for (const auto& entry : network->layout().entries()) {
    names += entry.name + " ";
  }
  EXPECT_EQ(
      names,
      "layer1.conv1.weight layer1.bn1.weight layer1.bn1.bias layer1.conv2.weight layer1.bn2.weight "
      "layer1.bn2.bias layer1.conv3.weight layer1.bn3.weight layer1.bn3.bias layer1.downsample.0.weight "
      "layer1.downsample.1.weight layer1.downsample.1.bias head.weight head.bias ");
}

TEST(Network, ResNet12BeginsWithTheVarianceOfHe) {
  const auto network = make_network({.name = "resnet12", .widths = {32, 48}}, {.channels = 3, .ways = 2});
  const auto tensors = network->layout().unpack(network->initial_parameters(1));
  EXPECT_NEAR(tensors[15].std().item<double>(), std::sqrt(2.0 / (48 * 9)), 0.002);  // layer2.conv2.weight
  EXPECT_EQ(tensors[16].sum().item<double>(), 48);                                  // layer2.bn2.weight
}

TEST(Network, SaysWhatItIs) {
  EXPECT_EQ(title_of({.filters = 8}), "conv4, 8 filters, stride");
  EXPECT_EQ(title_of({.name = "mlp", .hidden = {9, 6}}), "mlp 9-6");
  EXPECT_EQ(title_of({.name = "resnet12"}), "resnet12 64-160-320-640");
  EXPECT_EQ(facts_of({.name = "resnet12", .widths = {4, 6}}).at("widths"), "[4,6]");
  EXPECT_THROW(title_of({.name = "other"}), ConfigError);
}

TEST(Network, InitialParametersAreAFunctionOfTheSeed) {
  const auto network = make_network({.filters = 8}, {});
  EXPECT_TRUE(at::equal(network->initial_parameters(1), network->initial_parameters(1)));
  EXPECT_FALSE(at::equal(network->initial_parameters(1), network->initial_parameters(2)));
  const auto tensors = network->layout().unpack(network->initial_parameters(1));
  const double bound = std::sqrt(6.0 / ((8 + 8) * 9));
  EXPECT_NEAR(tensors[4].abs().max().item<double>(), bound, 0.05 * bound);
  EXPECT_EQ(tensors[1].abs().sum().item<double>(), 0);  // bias
  EXPECT_EQ(tensors[2].sum().item<double>(), 8);        // norm.weight
}

// Runs of an older build are repeated by a newer one: these are the checksums of the first that was released.
TEST(Network, InitialParametersHaveTheBytesThatTheyAlwaysHad) {
  const auto checksum = [](const ModelOptions& model) {
    const auto network = make_network(model, {.channels = 3, .height = 20, .width = 17, .ways = 4});
    const auto parameters = network->initial_parameters(7);
    Checksum checksum;
    checksum.add(parameters.const_data_ptr(), parameters.nbytes());
    return checksum.text();
  };
  EXPECT_EQ(checksum({.filters = 6}), "2eb26e0e");
  EXPECT_EQ(checksum({.filters = 6, .blocks = 2, .downsampling = Downsampling::max_pool}), "c18e0e21");
  EXPECT_EQ(checksum({.name = "mlp", .hidden = {9, 6}}), "f5de0e9d");
}

TEST(Network, RefusesMoreBlocksThanTheImageAllows) {
  EXPECT_THROW(
      make_network({.blocks = 5, .downsampling = Downsampling::max_pool}, {.height = 28, .width = 28}),
      ConfigError);
  EXPECT_THROW(make_network({.name = "resnet12", .widths = {2, 2, 2}}, {.height = 7, .width = 20}),
               ConfigError);
  EXPECT_NO_THROW(
      make_network({.blocks = 4, .downsampling = Downsampling::max_pool}, {.height = 28, .width = 28}));
}

}  // namespace
}  // namespace ufo::nn
