#include "random_numbers.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <ufo/base/parallel.h>
#include <ufo/nn/sequential.h>

namespace ufo::nn {
namespace {

struct Case {
  const char* name;
  ModelOptions model;
  InputShape input;
  int64_t tasks, images;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

/// `v` [T, P] with zeros in place of all but the parameters of the last `blocks` blocks and the head.
at::Tensor kept(const Network& network, const at::Tensor& v, int64_t blocks) {
  at::Tensor result = v.clone();
  result.narrow(1, 0, network.layout().start_of_last(blocks)).zero_();
  return result;
}

/// Loss, gradient and Hessian products of the same point by autograd, and the data to compute them.
struct Reference {
  std::unique_ptr<Network> network;
  at::Tensor parameters, images, labels, v;
  at::Tensor loss, accuracy, gradient, product;
  at::Tensor leaf, graph;

  explicit Reference(const Case& c) : network(make_network(c.model, c.input)) {
    const int64_t size = network->layout().size();
    parameters = network->initial_parameters(1).to(at::kDouble) + 0.1 * normal({c.tasks, size}, 2);
    images = normal({c.tasks, c.images, c.input.channels, c.input.height, c.input.width}, 3);
    labels = at::arange(c.tasks * c.images).view({c.tasks, c.images}).remainder(c.input.ways);
    v = normal({c.tasks, size}, 4);
    c10::AutoGradMode enable(true);
    leaf = parameters.detach().requires_grad_();
    const auto logits = network->logits(leaf, images);
    loss = -logits.log_softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1).mean(1);
    accuracy = logits.argmax(-1).eq(labels).to(at::kDouble).mean(1);
    graph = torch::autograd::grad({loss.sum()}, {leaf}, {}, true, true)[0];
    gradient = graph.detach();
    product = hessian_product(v);
  }

  at::Tensor hessian_product(const at::Tensor& direction) const {
    return torch::autograd::grad({graph}, {leaf}, {direction}, true)[0];
  }
};

class TapeOf : public testing::TestWithParam<Case> {};

TEST_P(TapeOf, AgreesWithAutogradInDouble) {
  const Reference r(GetParam());
  const auto tape = r.network->tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
  ASSERT_TRUE(tape);
  EXPECT_LT(relative_error(tape->loss, r.loss), 1e-12);
  EXPECT_TRUE(at::equal(tape->accuracy, r.accuracy));
  EXPECT_LT(relative_error(tape->gradient, r.gradient), 1e-10);
  EXPECT_LT(relative_error(tape->hessian_product(r.v), r.product), 1e-10);
  // A tape of its own buffers gives the same again, and the direction leaves nothing behind.
  EXPECT_LT(relative_error(tape->hessian_product(2 * r.v), 2 * r.product), 1e-10);
  const auto value = r.network->tape(r.parameters, r.images, r.labels, Derivatives::none);
  EXPECT_TRUE(value->loss.equal(tape->loss));
  EXPECT_TRUE(value->accuracy.equal(tape->accuracy));
  EXPECT_FALSE(value->gradient.defined());
  const auto light = r.network->tape(r.parameters, r.images, r.labels, Derivatives::gradient);
  EXPECT_TRUE(at::equal(light->gradient, tape->gradient));
}

TEST_P(TapeOf, OfItsLayersAgreesWithAutograd) {
  const Reference r(GetParam());
  const auto& layers = dynamic_cast<const Sequential&>(*r.network);
  const auto tape = layers.Sequential::tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
  EXPECT_LT(relative_error(tape->loss, r.loss), 1e-12);
  EXPECT_TRUE(at::equal(tape->accuracy, r.accuracy));
  EXPECT_LT(relative_error(tape->gradient, r.gradient), 1e-10);
  EXPECT_LT(relative_error(tape->hessian_product(r.v), r.product), 1e-10);
  EXPECT_LT(relative_error(tape->hessian_product(2 * r.v), 2 * r.product), 1e-10);
}

TEST_P(TapeOf, HasTheHessianBlockOfItsLastBlocks) {
  const Reference r(GetParam());
  const Network& network = *r.network;
  const auto& layers = dynamic_cast<const Sequential&>(network);
  const auto whole = network.tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
  const auto whole_of_layers =
      layers.Sequential::tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
  for (int64_t blocks = 0; blocks <= network.layout().depth(); ++blocks) {
    const at::Tensor expected = kept(network, r.hessian_product(kept(network, r.v, blocks)), blocks);
    const auto derivatives = Derivatives::hessian_products_of(blocks);
    const auto own = network.tape(r.parameters, r.images, r.labels, derivatives);
    const auto of_layers = layers.Sequential::tape(r.parameters, r.images, r.labels, derivatives);
    EXPECT_TRUE(at::equal(own->gradient, whole->gradient)) << blocks << " blocks";
    for (LossTape* tape : {own.get(), of_layers.get()}) {
      const at::Tensor product = tape->hessian_product(r.v);
      EXPECT_LT(relative_error(product, expected), 1e-10) << blocks << " blocks";
      EXPECT_TRUE(at::equal(product, kept(network, product, blocks))) << blocks << " blocks";
    }
    for (LossTape* tape : {whole.get(), whole_of_layers.get()}) {
      EXPECT_LT(relative_error(tape->block_product(r.v, blocks), expected), 1e-10) << blocks << " blocks";
    }
    if (blocks < network.layout().depth()) {
      EXPECT_THROW(own->block_product(r.v, blocks + 1), std::logic_error);
      EXPECT_THROW(of_layers->block_product(r.v, blocks + 1), std::logic_error);
    }
    if (blocks == network.layout().depth()) {
      EXPECT_TRUE(at::equal(own->hessian_product(r.v), whole->hessian_product(r.v)));
    }
  }
  EXPECT_LT(relative_error(whole_of_layers->hessian_product(r.v), r.product), 1e-10)
      << "behind those of blocks";
}

TEST_P(TapeOf, GivesProductsOfTheFirstTasksAlone) {
  const Reference r(GetParam());
  const int64_t some = (GetParam().tasks + 1) / 2;
  const auto v = r.v.narrow(0, 0, some), expected = r.product.narrow(0, 0, some);
  const auto& layers = dynamic_cast<const Sequential&>(*r.network);
  const auto of_layers =
      layers.Sequential::tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
  const auto of_kernels = r.network->tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
  EXPECT_LT(relative_error(of_layers->hessian_product(v), expected), 1e-10);
  EXPECT_LT(relative_error(of_kernels->hessian_product(v), expected), 1e-10);
}

TEST_P(TapeOf, OfItsLayersHasNoGradientByABiasThatBatchNormTakesOut) {
  const Reference r(GetParam());
  const auto& layers = dynamic_cast<const Sequential&>(*r.network);
  const auto tape = layers.Sequential::tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
  for (const auto& flat : {tape->gradient, tape->hessian_product(r.v)}) {
    const auto tensors = r.network->layout().unpack(flat);
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (r.network->layout().entries()[i].name.ends_with("conv.bias")) {
        EXPECT_TRUE(tensors[i].eq(0).all().item<bool>());
      }
    }
  }
}

TEST_P(TapeOf, AgreesWithDoubleInFloat) {
  const Reference r(GetParam());
  const auto tape = r.network->tape(r.parameters.to(at::kFloat), r.images.to(at::kFloat), r.labels,
                                    Derivatives::hessian_products);
  EXPECT_LT(relative_error(tape->gradient, r.gradient), 1e-3);
  EXPECT_LT(relative_error(tape->hessian_product(r.v.to(at::kFloat)), r.product), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, TapeOf,
    testing::Values(
        Case{"strided", {.filters = 16}, {1, 28, 28, 5}, 2, 5},
        Case{"strided_64", {.filters = 64}, {1, 28, 28, 20}, 1, 20},
        Case{"strided_odd", {.filters = 5}, {2, 13, 11, 3}, 3, 7},
        Case{"strided_kernel5", {.filters = 24, .blocks = 2, .kernel = 5}, {1, 12, 15, 4}, 2, 6},
        Case{"strided_kernel1", {.filters = 16, .blocks = 2, .kernel = 1}, {3, 9, 9, 3}, 1, 4},
        Case{"strided_kernel7", {.filters = 8, .blocks = 2, .kernel = 7}, {1, 14, 14, 3}, 1, 4},
        Case{"strided_wide", {.filters = 112, .blocks = 2}, {1, 14, 14, 3}, 1, 3},
        Case{"strided_chunks", {.filters = 64, .blocks = 2}, {3, 84, 84, 3}, 1, 3},
        Case{"pooled", {.filters = 32, .downsampling = Downsampling::max_pool}, {3, 84, 84, 5}, 1, 5},
        Case{"pooled_odd",
             {.filters = 6, .blocks = 3, .downsampling = Downsampling::max_pool},
             {3, 21, 17, 2},
             2,
             5},
        Case{"pooled_48",
             {.filters = 48, .blocks = 2, .downsampling = Downsampling::max_pool},
             {1, 11, 10, 3},
             1,
             4},
        Case{"leaky", {.filters = 5, .blocks = 2, .negative_slope = 0.1}, {2, 9, 7, 3}, 2, 5},
        Case{"leaky_pooled",
             {.filters = 5, .blocks = 2, .downsampling = Downsampling::max_pool, .negative_slope = 0.1},
             {2, 9, 7, 3},
             2,
             5},
        Case{"mlp", {.name = "mlp", .hidden = {9, 6}}, {2, 5, 4, 3}, 2, 7},
        Case{"resnet12", {.name = "resnet12", .widths = {4, 6}}, {3, 11, 9, 3}, 2, 5},
        Case{"one_block", {.filters = 16, .blocks = 1}, {1, 6, 6, 3}, 1, 3}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Tape, HasTheSameBytesWithAnyNumberOfThreads) {
  for (const auto& model :
       {ModelOptions{.filters = 64}, ModelOptions{.filters = 48, .downsampling = Downsampling::max_pool}}) {
    const Reference r({"", model, {3, 56, 56, 5}, 1, 9});
    at::Tensor gradient, product;
    for (int64_t threads : {1, 2, 3}) {
      set_task_threads(threads);
      const auto tape = r.network->tape(r.parameters, r.images, r.labels, Derivatives::hessian_products);
      const auto hv = tape->hessian_product(r.v);
      EXPECT_TRUE(threads == 1 || at::equal(tape->gradient, gradient));
      EXPECT_TRUE(threads == 1 || at::equal(hv, product));
      gradient = tape->gradient, product = hv;
    }
    set_task_threads(0);
  }
}

TEST(Tape, RefusesHessianProductsWhenMadeForTheGradientAlone) {
  const Reference r({"", {.filters = 16, .blocks = 1}, {1, 6, 6, 3}, 1, 3});
  const auto tape = r.network->tape(r.parameters, r.images, r.labels, Derivatives::gradient);
  EXPECT_THROW(tape->hessian_product(r.v), std::logic_error);
  const auto& layers = dynamic_cast<const Sequential&>(*r.network);
  const auto of_layers = layers.Sequential::tape(r.parameters, r.images, r.labels, Derivatives::gradient);
  EXPECT_THROW(of_layers->hessian_product(r.v), std::logic_error);
}

TEST(Tape, RefusesHessianProductsOfMoreBlocksThanThereAre) {
  const Reference r({"", {.filters = 16, .blocks = 1}, {1, 6, 6, 3}, 1, 3});
  const auto& layers = dynamic_cast<const Sequential&>(*r.network);
  for (const int64_t blocks : {-1, 2}) {
    const auto derivatives = Derivatives::hessian_products_of(blocks);
    EXPECT_THROW(r.network->tape(r.parameters, r.images, r.labels, derivatives), std::invalid_argument);
    EXPECT_THROW(layers.Sequential::tape(r.parameters, r.images, r.labels, derivatives),
                 std::invalid_argument);
  }
}

TEST(MultiplyAdds, AreThoseOfTheOmniglotNetwork) {
  const InputShape input;
  const auto costs = make_network(ModelOptions{}, input)->multiply_adds(input);
  const int64_t first = 14 * 14 * 9 * 64, block = 9 * 64 * 64, head = 64 * 5;
  const int64_t rest = (7 * 7 + 4 * 4 + 2 * 2) * block + head;
  EXPECT_EQ(costs.value(), first + rest);
  EXPECT_EQ(costs.gradient(), 2 * first + 3 * rest);
  EXPECT_EQ(costs.hessian_product(), 2 * first + 6 * rest);
  EXPECT_EQ(costs.hessian_product(0), 2 * head);
  EXPECT_EQ(costs.hessian_product(1), 2 * 4 * block + 6 * head);
  EXPECT_EQ(costs.hessian_product(2), 2 * 16 * block + 6 * (4 * block + head));
  EXPECT_EQ(costs.hessian_product(4), costs.hessian_product());
  EXPECT_THROW(costs.hessian_product(5), std::invalid_argument);
}

TEST(MultiplyAdds, AreThoseOfThePooledNetworkAndTheMlp) {
  const InputShape input{.channels = 3, .height = 21, .width = 17, .ways = 2};
  const auto pooled =
      make_network({.filters = 6, .blocks = 2, .downsampling = Downsampling::max_pool}, input);
  const int64_t first = 21 * 17 * 9 * 3 * 6, second = 10 * 8 * 9 * 6 * 6, head = 5 * 4 * 6 * 2;
  EXPECT_EQ(pooled->multiply_adds(input).value(), first + second + head);
  EXPECT_EQ(pooled->multiply_adds(input).hessian_product(1), 2 * second + 6 * head);
  const auto mlp = make_network({.name = "mlp", .hidden = {9, 6}}, input);
  EXPECT_EQ(mlp->multiply_adds(input).gradient(), 2 * 21 * 17 * 3 * 9 + 3 * (9 * 6 + 6 * 2));
  EXPECT_EQ(mlp->multiply_adds(input).hessian_product(1), 2 * 9 * 6 + 6 * 6 * 2);
}

TEST(MultiplyAdds, AreThoseOfResNet12) {
  const InputShape input{.channels = 3, .height = 13, .width = 10, .ways = 4};
  const auto costs = make_network({.name = "resnet12", .widths = {5, 7}}, input)->multiply_adds(input);
  const int64_t first_of_input = 13 * 10 * 5 * (9 * 3 + 3), first = first_of_input + 2 * 13 * 10 * 9 * 5 * 5;
  const int64_t second_of_input = 6 * 5 * 7 * (9 * 5 + 5), second = second_of_input + 2 * 6 * 5 * 9 * 7 * 7;
  const int64_t head = 7 * 4;
  EXPECT_EQ(costs.gradient(), 3 * (first + second + head) - first_of_input);
  EXPECT_EQ(costs.hessian_product(1), 6 * (second + head) - 4 * second_of_input);
}

TEST(Tape, TakesImagesInAnyMemoryOrder) {
  const Reference r({"", {.filters = 16, .blocks = 2}, {3, 10, 9, 3}, 2, 4});
  const auto channels_last = r.images.permute({0, 1, 3, 4, 2}).contiguous().permute({0, 1, 4, 2, 3});
  const auto a = r.network->tape(r.parameters, r.images, r.labels, Derivatives::gradient);
  const auto b = r.network->tape(r.parameters, channels_last, r.labels, Derivatives::gradient);
  EXPECT_TRUE(at::equal(a->gradient, b->gradient));
}

}  // namespace
}  // namespace ufo::nn
