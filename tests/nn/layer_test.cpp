#include "emulated_kernels.h"
#include "random_numbers.h"

#include <cstdlib>
#include <functional>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <ufo/nn/chain.h>

namespace ufo::nn {
namespace {

struct Case {
  const char* name;
  std::function<std::unique_ptr<Layer>()> make;
  std::vector<int64_t> sizes;  ///< of the input of three images of two tasks, after these
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

constexpr double kDifference = 1e-5;  ///< either way, of central differences

/// A layer at a random point, and random directions of its input, its parameters and its adjoint.
struct Place {
  std::unique_ptr<Layer> layer;
  at::Tensor x, dy, x_t, dy_t;
  Tensors p, p_t;

  explicit Place(const Case& c) : layer(c.make()) {
    std::vector<int64_t> sizes = {3, 2};
    sizes.insert(sizes.end(), c.sizes.begin(), c.sizes.end());
    x = normal(sizes, 1), x_t = normal(sizes, 2);
    Layout layout;
    layer->declare(layout);
    for (const auto& entry : layout.entries()) {
      std::vector<int64_t> shape = {2};
      shape.insert(shape.end(), entry.shape.begin(), entry.shape.end());
      p.push_back(normal(shape, 10 + p.size()) + 0.5);
      p_t.push_back(normal(shape, 30 + p.size()));
    }
    EXPECT_EQ(p.size(), layer->parameters());
    const at::Tensor y = layer->value(x, p);
    dy = normal(y.sizes(), 3), dy_t = normal(y.sizes(), 4);
  }

  /// x, the parameters and dy, `step` along their directions.
  Tensors arguments(double step = 0) const {
    Tensors result = {x + step * x_t};
    for (size_t i = 0; i < p.size(); ++i) {
      result.push_back(p[i] + step * p_t[i]);
    }
    result.push_back(dy + step * dy_t);
    return result;
  }
};

Tensors parameters_among(const Tensors& arguments) { return {arguments.begin() + 1, arguments.end() - 1}; }

/// dx and dp as one list of defined tensors.
Tensors together(const Place& place, const at::Tensor& dx, const Tensors& dp) {
  Tensors result = {dx.defined() ? dx : at::zeros_like(place.x)};
  for (size_t i = 0; i < dp.size(); ++i) {
    result.push_back(dp[i].defined() ? dp[i] : at::zeros_like(place.p[i]));
  }
  return result;
}

/// The adjoint at `arguments` by autograd, differentiable.
Tensors adjoint_by_autograd(const Place& place, const Tensors& arguments) {
  const Tensors leaves(arguments.begin(), arguments.end() - 1);
  const at::Tensor y = place.layer->value(arguments[0], parameters_among(arguments));
  const auto gradients = torch::autograd::grad({(y * arguments.back()).sum()}, leaves, {}, true, true, true);
  return together(place, gradients[0], {gradients.begin() + 1, gradients.end()});
}

Tensors leaves_of(const Tensors& arguments) {
  Tensors leaves;
  for (const at::Tensor& argument : arguments) {
    leaves.push_back(argument.detach().requires_grad_());
  }
  return leaves;
}

/// The derivative of adjoint_by_autograd along the directions: with g the adjoint and u anything, that of
/// grad <u, g> . directions by u.
Tensors adjoint_tangent_by_autograd(const Place& place) {
  const Tensors leaves = leaves_of(place.arguments());
  const Tensors g = adjoint_by_autograd(place, leaves);
  Tensors u;
  at::Tensor product = at::zeros({}, at::kDouble);
  for (const at::Tensor& gradient : g) {
    u.push_back(at::ones_like(gradient).requires_grad_());
    product = product + (u.back() * gradient).sum();
  }
  const auto back = torch::autograd::grad({product}, leaves, {}, true, true, true);
  Tensors directions = {place.x_t};
  directions.insert(directions.end(), place.p_t.begin(), place.p_t.end());
  directions.push_back(place.dy_t);
  at::Tensor along = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < back.size(); ++i) {
    along = back[i].defined() ? along + (back[i] * directions[i]).sum() : along;
  }
  const auto result = torch::autograd::grad({along}, u, {}, false, false, true);
  return together(place, result[0], {result.begin() + 1, result.end()});
}

void expect_near(const Tensors& found, const Tensors& expected, double bound, const char* what) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << what << ", number " << i;
    const double scale = std::max(expected[i].norm().item<double>(), 1e-3);
    EXPECT_LT((found[i] - expected[i]).norm().item<double>() / scale, bound) << what << ", number " << i;
  }
}

/// With UFO_TEST_KERNELS in the environment, of layers by the kernels for CUDA devices.
class LayerOf : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    if (std::getenv("UFO_TEST_KERNELS") != nullptr) {
      set_kernel_runner(
          at::kCPU, emulated_kernels({.launch = [](const std::function<void()>& kernel, const std::string&) {
            ++launches_;
            kernel();
          }}));
    }
  }
  static void TearDownTestSuite() {
    if (has_kernel_runner(at::kCPU)) {
      EXPECT_GT(launches_, 0) << "no layer was done by kernels";
    }
    set_kernel_runner(at::kCPU, nullptr);
  }

 private:
  inline static int64_t launches_ = 0;
};

TEST_P(LayerOf, HasTheDerivativesOfAutograd) {
  const Place place(GetParam());
  const auto point = place.layer->at(place.x, place.p);
  Tensors dp(place.p.size()), dp_t(place.p.size());
  const at::Tensor dx = point->adjoint(place.dy, dp, true);
  c10::AutoGradMode enable(true);
  const Tensors expected = adjoint_by_autograd(place, leaves_of(place.arguments()));
  expect_near(together(place, dx, dp), expected, 1e-11, "adjoint");
  point->tangent(place.x_t, place.p_t);
  const at::Tensor dx_t = point->adjoint_tangent(place.dy_t, dp_t, true);
  expect_near(together(place, dx_t, dp_t), adjoint_tangent_by_autograd(place), 1e-11, "adjoint's tangent");
}

TEST_P(LayerOf, GivesEachTaskAGradientOfItsOwnByAutogradThoughTheyShareTheParameters) {
  const Place place(GetParam());
  c10::AutoGradMode enable(true);
  Tensors shared, copied;
  for (const at::Tensor& p : place.p) {
    shared.push_back(p.narrow(0, 0, 1).expand_as(p).detach().requires_grad_());
    copied.push_back(p.narrow(0, 0, 1).repeat_interleave(2, 0).detach().requires_grad_());
  }
  if (shared.empty()) {
    return;
  }
  const auto gradients = [&](const Tensors& p) {
    return torch::autograd::grad({(place.layer->value(place.x, p) * place.dy).sum()}, p, {}, true, false,
                                 true);
  };
  const Tensors found = gradients(shared), expected = gradients(copied);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(found[i].defined(), expected[i].defined());
    if (expected[i].defined()) {
      expect_near({found[i]}, {expected[i]}, 1e-12, "gradient of a parameter");
    }
  }
}

TEST_P(LayerOf, HasTheDerivativesOfCentralDifferences) {
  const Place place(GetParam());
  const auto point = place.layer->at(place.x, place.p);
  Tensors dp(place.p.size()), dp_t(place.p.size());
  point->adjoint(place.dy, dp, true);
  const at::Tensor y_t = point->tangent(place.x_t, place.p_t);
  const Tensors ahead = place.arguments(kDifference), behind = place.arguments(-kDifference);
  const auto value = [&](const Tensors& at) { return place.layer->value(at[0], parameters_among(at)); };
  expect_near({y_t}, {(value(ahead) - value(behind)) / (2 * kDifference)}, 1e-8, "tangent");

  const at::Tensor dx_t = point->adjoint_tangent(place.dy_t, dp_t, true);
  const auto adjoint = [&](const Tensors& at) {
    Tensors dp(place.p.size());
    const at::Tensor dx = place.layer->at(at[0], parameters_among(at))->adjoint(at.back(), dp, true);
    return together(place, dx, dp);
  };
  Tensors expected = adjoint(ahead);
  const Tensors there = adjoint(behind);
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i] = (expected[i] - there[i]) / (2 * kDifference);
  }
  expect_near(together(place, dx_t, dp_t), expected, 1e-7, "adjoint's tangent");
}

TEST_P(LayerOf, TakesAnInputThatDoesNotMoveAndAnInputsGradientThatNobodyAsksFor) {
  const Place place(GetParam());
  Tensors of_zero, of_none;
  for (Tensors* const result : {&of_zero, &of_none}) {
    const bool none = result == &of_none;
    const auto point = place.layer->at(place.x, place.p);
    Tensors dp(place.p.size()), dp_t(place.p.size());
    point->adjoint(place.dy, dp, !none);
    const at::Tensor y_t = point->tangent(none ? at::Tensor() : at::zeros_like(place.x), place.p_t);
    point->adjoint_tangent(place.dy_t, dp_t, !none);
    *result = together(place, {}, dp);
    const Tensors tangents = together(place, {}, dp_t);
    result->insert(result->end(), tangents.begin(), tangents.end());
    result->push_back(y_t.defined() ? y_t : at::zeros_like(place.dy));
  }
  expect_near(of_none, of_zero, 1e-13, "derivatives");
}

TEST_P(LayerOf, KeepsTheFirstTasks) {
  const Place place(GetParam());
  const auto all = place.layer->at(place.x, place.p), first = place.layer->at(place.x, place.p);
  Tensors dp(place.p.size()), all_t(place.p.size()), first_t(place.p.size());
  all->adjoint(place.dy, dp, true);
  first->adjoint(place.dy, dp, true);
  first->keep(1);
  const auto of_first = [](const Tensors& tensors, int64_t axis) {
    Tensors result;
    for (const at::Tensor& tensor : tensors) {
      result.push_back(tensor.defined() ? tensor.narrow(axis, 0, 1) : tensor);
    }
    return result;
  };
  const at::Tensor y_t = all->tangent(place.x_t, place.p_t);
  const at::Tensor kept_y_t = first->tangent(place.x_t.narrow(1, 0, 1), of_first(place.p_t, 0));
  const at::Tensor dx_t = all->adjoint_tangent(place.dy_t, all_t, true);
  const at::Tensor kept_dx_t = first->adjoint_tangent(place.dy_t.narrow(1, 0, 1), first_t, true);
  expect_near({kept_y_t, kept_dx_t}, of_first({y_t, dx_t}, 1), 1e-12, "activations");
  const Tensors expected = of_first(all_t, 0);
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(first_t[i].defined(), expected[i].defined());
    if (expected[i].defined()) {
      expect_near({first_t[i]}, {expected[i]}, 1e-12, "parameters");
    }
  }
}

TEST_P(LayerOf, HasTheSameValueAloneAndByTheStatisticsOfAllImages) {
  const Place place(GetParam());
  const at::Tensor value = place.layer->at(place.x, place.p)->value();
  EXPECT_TRUE(at::equal(place.layer->value(place.x, place.p), value));
  expect_near({place.layer->value_by(3, place.x, place.p)}, {value}, 1e-12, "value");
}

std::unique_ptr<Layer> block(const std::string& name, int64_t in, int64_t out) {
  return chain(conv2d(name + ".conv", in, out, {.bias = Bias::cancelled}),
               batch_norm(name + ".norm", out, 1e-3), relu());
}

INSTANTIATE_TEST_SUITE_P(
    Layers, LayerOf,
    testing::Values(
        Case{"conv2d", [] { return conv2d("conv", 2, 3, {.stride = 2}); }, {2, 5, 4}},
        Case{"conv2d_of_cancelled_bias",
             [] { return conv2d("c", 2, 3, {.bias = Bias::cancelled}); },
             {2, 5, 4}},
        Case{"conv2d_without_bias",
             [] { return conv2d("c", 2, 3, {.kernel = 1, .bias = Bias::none}); },
             {2, 5, 4}},
        Case{"leaky_relu", [] { return leaky_relu(0.1); }, {4, 3}},
        Case{"batch_norm", [] { return batch_norm("norm", 3, 1e-3); }, {3, 4, 2}}, Case{"relu", relu, {4, 3}},
        Case{"max_pool", max_pool, {2, 5, 4}}, Case{"spatial_mean", spatial_mean, {2, 3, 4}},
        Case{"flatten", flatten, {2, 3, 4}}, Case{"linear", [] { return linear("linear", 5, 3); }, {5}},
        Case{"chain", [] { return chain(block("a", 2, 3), block("b", 3, 2), max_pool()); }, {2, 5, 4}},
        Case{"chain_of_none", [] { return chain(); }, {4}},
        Case{"residual",
             [] {
               return residual(chain(block("a", 2, 4), block("b", 4, 3)), conv2d("s", 2, 3, {.kernel = 1}));
             },
             {2, 5, 4}},
        Case{"residual_of_the_identity", [] { return residual(block("a", 2, 2), chain()); }, {2, 5, 4}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Residual, CountsTheProductsOfBothBranchesWithTheInput) {
  const Case of_layer{"",
                      [&] {
                        return residual(chain(conv2d("a", 2, 4, {}), conv2d("b", 4, 3, {})),
                                        conv2d("s", 2, 3, {.kernel = 1}));
                      },
                      {2, 5, 4}};
  const Place place(of_layer);
  const MultiplyAdds counted = place.layer->at(place.x, place.p)->multiply_adds();
  const int64_t pixels = 3 * 2 * 5 * 4, first = pixels * 2 * 9 * 4, second = pixels * 4 * 9 * 3,
                shortcut = pixels * 2 * 3;
  EXPECT_EQ(counted.all, first + second + shortcut);
  EXPECT_EQ(counted.of_input, first + shortcut);
}

}  // namespace
}  // namespace ufo::nn
