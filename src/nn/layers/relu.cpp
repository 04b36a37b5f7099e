#include "piecewise_linear.h"

#include <stdexcept>

#include <ATen/ATen.h>

namespace ufo::nn {
namespace {

class ReluPoint final : public PiecewiseLinearPoint {
 public:
  explicit ReluPoint(const at::Tensor& x) : PiecewiseLinearPoint(at::relu(x)), y_(value()) {}

  void keep(int64_t tasks) override { keep_first(tasks, {&y_}); }

 private:
  at::Tensor forward(const at::Tensor& x_t) const override { return passed(x_t); }
  at::Tensor backward(const at::Tensor& dy) const override { return passed(dy); }
  at::Tensor passed(const at::Tensor& v) const { return at::threshold_backward(v, y_, 0); }

  at::Tensor y_;
};

class LeakyReluPoint final : public PiecewiseLinearPoint {
 public:
  LeakyReluPoint(const at::Tensor& x, double slope)
      : PiecewiseLinearPoint(at::leaky_relu(x, slope)), slope_(slope), y_(value()) {}

  void keep(int64_t tasks) override { keep_first(tasks, {&y_}); }

 private:
  at::Tensor forward(const at::Tensor& x_t) const override { return passed(x_t); }
  at::Tensor backward(const at::Tensor& dy) const override { return passed(dy); }
  at::Tensor passed(const at::Tensor& v) const {
    return at::leaky_relu_backward(v, y_, slope_, /*self_is_result=*/true);
  }

  double slope_;
  at::Tensor y_;
};

class LeakyRelu final : public Layer {
 public:
  explicit LeakyRelu(double slope) : slope_(slope) {
    if (!(slope >= 0)) {
      throw std::invalid_argument("leaky_relu: need a slope of at least 0, got " + std::to_string(slope));
    }
  }

  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors&) const override {
    return std::make_unique<LeakyReluPoint>(x, slope_);
  }

 private:
  double slope_;
};

}  // namespace

std::unique_ptr<Layer> relu() { return std::make_unique<ParameterFree<ReluPoint>>(); }

std::unique_ptr<Layer> leaky_relu(double slope) { return std::make_unique<LeakyRelu>(slope); }

}  // namespace ufo::nn
