#include "nn/conv_net.h"
#include "nn/cpu/image_set.h"
#include "random_numbers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/nn/network.h>

namespace ufo::nn {
namespace {

struct Case {
  const char* name;
  ModelOptions model;
  InputShape input;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr int64_t kImages = 3;

/// [images, H, W, C], none of whose means is zero.
at::Tensor images_of(const InputShape& input) {
  return normal({kImages, input.height, input.width, input.channels}, 1) + 0.7;
}

/// The mean m [K] and the covariance S [K, K] of all patches, from a copy of each.
std::pair<at::Tensor, at::Tensor> moments_of(const at::Tensor& images, int64_t kernel, int64_t stride) {
  const at::Tensor patches = at::im2col(images.permute({0, 3, 1, 2}), {kernel, kernel}, {1, 1},
                                        {kernel / 2, kernel / 2}, {stride, stride});
  const int64_t channels = images.size(3), k = kernel * kernel * channels;
  // im2col puts the channels first, the weights put them last.
  const at::Tensor x =
      patches.view({images.size(0), channels, kernel * kernel, -1}).permute({0, 3, 2, 1}).reshape({-1, k});
  const at::Tensor mean = x.mean(0), centred = x - mean;
  return {mean, centred.t().matmul(centred) / static_cast<double>(x.size(0))};
}

class ImageSetOf : public testing::TestWithParam<Case> {
 protected:
  template <class T>
  void expect_moments(double bound) {
    const Case& c = GetParam();
    const ConvNet net(c.model, c.input);
    const auto blocks = cpu::make_geometry(net, kImages, cpu::kernels<T>().lanes, sizeof(T));
    const at::Tensor images = images_of(c.input).to(c10::CppTypeToScalarType<T>::value).contiguous();
    const auto [mean, covariance] = moments_of(images.to(at::kDouble), c.model.kernel, net.stride());
    const int64_t k = mean.numel();
    cpu::ImageSet<T> set(blocks[0]);
    set.load(at::zeros_like(images).template const_data_ptr<T>());
    set.load(images.template const_data_ptr<T>());
    const auto of = [](const double* numbers, at::IntArrayRef sizes) {
      return at::from_blob(const_cast<double*>(numbers), sizes, at::kDouble);
    };
    EXPECT_LT(relative_error(of(set.mean(), {k}), mean), bound);
    EXPECT_LT(relative_error(of(set.covariance(), {k, k}), covariance), bound);
  }
};

TEST_P(ImageSetOf, HasTheMomentsOfAllPatches) {
  expect_moments<double>(1e-13);
  expect_moments<float>(1e-6);
}

const auto kPooled = Downsampling::max_pool;

INSTANTIATE_TEST_SUITE_P(
    Sizes, ImageSetOf,
    testing::Values(Case{"strided", {.filters = 8}, {1, 28, 28, 5}},
                    Case{"pooled", {.filters = 8, .downsampling = kPooled}, {3, 20, 20, 5}},
                    Case{"wide", {.filters = 8, .blocks = 1, .downsampling = kPooled}, {1, 6, 301, 5}},
                    Case{"strided_odd", {.filters = 8, .blocks = 2}, {3, 9, 13, 5}},
                    Case{"two_channels", {.filters = 8, .blocks = 2, .downsampling = kPooled}, {2, 7, 5, 5}},
                    Case{"five_channels", {.filters = 8, .blocks = 1}, {5, 8, 7, 5}},
                    Case{"kernel5", {.filters = 8, .blocks = 1, .kernel = 5}, {3, 6, 11, 5}},
                    Case{"kernel7", {.filters = 8, .blocks = 1, .kernel = 7}, {1, 4, 3, 5}},
                    Case{"kernel1", {.filters = 8, .blocks = 1, .kernel = 1}, {3, 5, 4, 5}},
                    Case{"kernel1_pooled",
                         {.filters = 8, .blocks = 1, .kernel = 1, .downsampling = kPooled},
                         {1, 4, 6, 5}},
                    Case{"smaller_than_its_kernel", {.filters = 8, .blocks = 1}, {2, 1, 2, 5}}),
    [](const auto& info) { return std::string(info.param.name); });

/// A network's loss of T = 1 task, its parameters and a direction.
struct Task {
  std::unique_ptr<Network> network;
  at::Tensor parameters, labels, v;

  Task(const ModelOptions& model, const InputShape& input, int64_t images)
      : network(make_network(model, input)),
        parameters(network->initial_parameters(1).unsqueeze(0).to(at::kDouble)),
        labels(at::arange(images).remainder(input.ways).unsqueeze(0)),
        v(normal({1, parameters.size(1)}, 2)) {}

  std::unique_ptr<LossTape> tape(const at::Tensor& images) const {
    return network->tape(parameters.to(images.scalar_type()), images, labels, Derivatives::hessian_products);
  }
};

TEST(FirstBlock, SeesThatImagesChangedWhereTheyLie) {
  const Task task({.filters = 16, .blocks = 2}, {2, 9, 9, 3}, 6);
  at::Tensor images = normal({1, 6, 2, 9, 9}, 3);
  const at::Tensor before = images.clone(), after = normal({1, 6, 2, 9, 9}, 4);
  const auto first = task.tape(images);
  const at::Tensor gradient = first->gradient.clone(), product = first->hessian_product(task.v);
  images.copy_(after);
  const auto second = task.tape(images);
  EXPECT_FALSE(at::equal(second->gradient, gradient));
  EXPECT_TRUE(at::equal(second->gradient, task.tape(after)->gradient));
  // The point of the first tape is still that of its own images.
  EXPECT_TRUE(at::equal(first->hessian_product(task.v), product));
  EXPECT_TRUE(at::equal(task.tape(before)->gradient, gradient));
}

TEST(FirstBlock, OfImagesWithoutContrastIsThatOfItsLayers) {
  for (const double level : {0.0, 1.0}) {
    const Task task({.filters = 8, .blocks = 1, .kernel = 1}, {3, 6, 6, 2}, 4);
    const at::Tensor images = at::full({1, 4, 3, 6, 6}, level, at::kDouble);
    const auto tape = task.tape(images);
    const auto of_layers = dynamic_cast<const Sequential&>(*task.network)
                               .Sequential::tape(task.parameters, images, task.labels, Derivatives::gradient);
    EXPECT_TRUE(at::allclose(tape->loss, of_layers->loss, 1e-9, 1e-9)) << level;
    EXPECT_TRUE(at::allclose(tape->gradient, of_layers->gradient, 1e-6, 1e-9)) << level;
    EXPECT_TRUE(tape->hessian_product(task.v).isfinite().all().item<bool>()) << level;
  }
}

// One block: behind it a rectifier that flips in single precision alone would hide the error.
TEST(FirstBlock, IsAsRightInFloatAsItsLayersForPaleImagesToo) {
  for (const auto& model : {ModelOptions{.filters = 64, .blocks = 1},
                            ModelOptions{.filters = 32, .blocks = 1, .downsampling = kPooled}}) {
    const Task task(model, {3, 40, 40, 5}, 10);
    const auto& layers = dynamic_cast<const Sequential&>(*task.network);
    const at::Tensor v = task.v.to(at::kFloat);
    for (const double contrast : {1.0, 0.05}) {
      const at::Tensor images = (0.5 + contrast * normal({1, 10, 3, 40, 40}, 5)).to(at::kFloat);
      const auto right = task.tape(images.to(at::kDouble)), own = task.tape(images);
      const auto of_layers = layers.Sequential::tape(task.parameters.to(at::kFloat), images, task.labels,
                                                     Derivatives::hessian_products);
      EXPECT_LT(relative_error(own->gradient, right->gradient),
                3 * relative_error(of_layers->gradient, right->gradient))
          << contrast;
      const at::Tensor product = right->hessian_product(task.v);
      EXPECT_LT(relative_error(own->hessian_product(v), product),
                3 * relative_error(of_layers->hessian_product(v), product))
          << contrast;
    }
  }
}

}  // namespace
}  // namespace ufo::nn
