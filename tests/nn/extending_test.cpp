// The worked example of docs/extending.md.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <ufo/nn/sequential.h>

namespace {

using ufo::nn::Layer;
using ufo::nn::LayerPoint;
using ufo::nn::Tensors;

/// y = log(1 + exp(x)), with s = 1 / (1 + exp(-x)) its slope.
class SoftplusPoint final : public LayerPoint {
 public:
  explicit SoftplusPoint(const at::Tensor& x) : LayerPoint(at::softplus(x)), s_(at::sigmoid(x)) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors&, bool) override {
    dy_ = dy;
    return s_ * dy;
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors&) override {
    x_t_ = x_t;
    return x_t.defined() ? s_ * x_t : at::Tensor();
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors&, bool) override {
    const at::Tensor dx_t = s_ * dy_t;
    return x_t_.defined() ? dx_t + s_ * (1 - s_) * x_t_ * dy_ : dx_t;
  }

  void keep(int64_t tasks) override { keep_first(tasks, {&s_, &dy_}); }

 private:
  at::Tensor s_, dy_, x_t_;
};

class Softplus final : public Layer {
 public:
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors&) const override {
    return std::make_unique<SoftplusPoint>(x);
  }
};

TEST(Extending, ALayerOfOnesOwnHasRightHessianProducts) {
  std::vector<std::unique_ptr<Layer>> layers;
  layers.push_back(ufo::nn::flatten());
  layers.push_back(ufo::nn::linear("hidden", 12, 7));
  layers.push_back(std::make_unique<Softplus>());
  layers.push_back(ufo::nn::linear("head", 7, 3));
  const ufo::nn::Sequential network(std::move(layers));

  const auto options = at::TensorOptions(at::kDouble);
  const auto parameters =
      network.initial_parameters(1).to(at::kDouble).expand({2, network.layout().size()}).clone();
  const auto images = at::linspace(-1, 1, 2 * 5 * 12, options).sin().view({2, 5, 3, 2, 2});
  const auto labels = at::arange(10).view({2, 5}).remainder(3);
  const auto v = at::linspace(-3, 5, parameters.numel(), options).cos().view_as(parameters);

  const auto tape = network.tape(parameters, images, labels, ufo::nn::Derivatives::hessian_products);
  const auto product = tape->hessian_product(v);

  const auto head = network.tape(parameters, images, labels, ufo::nn::Derivatives::hessian_products_of(0));
  EXPECT_EQ(network.layout().depth(), 1);  // a layer with parameters is a block

  c10::AutoGradMode enable(true);
  const auto leaf = parameters.detach().requires_grad_();
  const auto log_probability = network.logits(leaf, images).log_softmax(-1);
  const auto loss = -log_probability.gather(-1, labels.unsqueeze(-1)).mean({1, 2}).sum();
  const auto gradient = torch::autograd::grad({loss}, {leaf}, {}, true, true)[0];
  EXPECT_TRUE(at::allclose(tape->gradient, gradient, 1e-10, 1e-12));
  EXPECT_TRUE(at::allclose(product, torch::autograd::grad({gradient}, {leaf}, {v}, true)[0], 1e-10, 1e-12));
  const int64_t start = network.layout().start_of_last(0), size = network.layout().size() - start;
  auto head_alone = at::zeros_like(v);
  head_alone.narrow(1, start, size).copy_(v.narrow(1, start, size));
  const auto expected = torch::autograd::grad({gradient}, {leaf}, {head_alone})[0];
  const auto found = head->hessian_product(v);
  EXPECT_TRUE(at::allclose(found.narrow(1, start, size), expected.narrow(1, start, size), 1e-10, 1e-12));
  EXPECT_EQ(found.narrow(1, 0, start).abs().max().item<double>(), 0);
}

}  // namespace
