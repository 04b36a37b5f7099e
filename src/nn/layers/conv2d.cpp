#include <ATen/ATen.h>

#include <ufo/nn/layer.h>

namespace ufo::nn {
namespace {

/// The sizes of a convolution whose tasks lie side by side in the channels: one grouped convolution serves
/// them all.
struct Grouped {
  int64_t tasks, kernel, stride;

  at::Tensor value(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias) const {
    const at::Tensor y =
        at::conv2d(x.flatten(1, 2), w.flatten(0, 1), bias.defined() ? bias.flatten() : at::Tensor(), stride,
                   kernel / 2, 1, tasks);
    return y.view({y.size(0), tasks, y.size(1) / tasks, y.size(2), y.size(3)});
  }

  /// (dx, dw); dx undefined unless wanted.
  std::pair<at::Tensor, at::Tensor> adjoint(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                                            bool wants_dx, bool wants_dw) const {
    const std::array<int64_t, 2> strides = {stride, stride}, padding = {kernel / 2, kernel / 2}, one = {1, 1},
                                 none = {0, 0};
    auto [dx, dw, bias] =
        at::convolution_backward(dy.flatten(1, 2), x.flatten(1, 2), w.flatten(0, 1), c10::nullopt, strides,
                                 padding, one, false, none, tasks, {wants_dx, wants_dw, false});
    return {wants_dx ? dx.view(x.sizes()) : at::Tensor(), wants_dw ? dw.view(w.sizes()) : at::Tensor()};
  }
};

/// Weights are made contiguous once: the products would copy them each for itself.
class Point final : public LayerPoint {
 public:
  Point(const Grouped& grouped, Bias bias, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b)
      : LayerPoint(grouped.value(x, w, b)),
        products_(value().numel() * w[0][0].numel()),
        grouped_(grouped),
        bias_(bias),
        x_(x),
        w_(w) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) override {
    dy_ = dy;
    const auto [dx, dw] = grouped_.adjoint(dy, x_, w_, needs_dx, true);
    put(dw, dy, dp);
    return dx;
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    x_t_ = x_t;
    w_t_ = p_t[0].contiguous();
    at::Tensor y_t = grouped_.value(x_, w_t_, bias_ == Bias::added ? p_t[1] : at::Tensor());
    return x_t.defined() ? y_t + grouped_.value(x_t, w_, {}) : y_t;
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) override {
    auto [dx_t, dw_t] = grouped_.adjoint(dy_t, x_, w_, needs_dx, true);
    if (x_t_.defined()) {
      dw_t = dw_t + grouped_.adjoint(dy_, x_t_, w_, false, true).second;
    }
    if (needs_dx) {
      dx_t = dx_t + grouped_.adjoint(dy_, x_, w_t_, true, false).first;
    }
    put(dw_t, dy_t, dp_t);
    return dx_t;
  }

  MultiplyAdds multiply_adds() const override { return {products_, products_}; }

  void keep(int64_t tasks) override {
    keep_first(tasks, {&x_, &dy_});
    x_ = x_.contiguous();
    dy_ = dy_.contiguous();
    w_ = w_.narrow(0, 0, tasks);
    grouped_.tasks = tasks;
  }

 private:
  /// The gradients by the weight and, where it is added, the bias.
  void put(const at::Tensor& dw, const at::Tensor& dy, Tensors& dp) const {
    dp[0] = dw;
    if (bias_ == Bias::added) {
      dp[1] = dy.sum({0, 3, 4});
    }
  }

  int64_t products_;
  Grouped grouped_;
  Bias bias_;
  at::Tensor x_, w_, dy_, x_t_, w_t_;
};

class Conv2d final : public Layer {
 public:
  Conv2d(std::string name, int64_t in_channels, int64_t out_channels, const ConvOptions& options)
      : name_(std::move(name)), in_(in_channels), out_(out_channels), options_(options) {}

  void declare(Layout& layout) const override {
    layout.add(name_ + ".weight", {out_, in_, options_.kernel, options_.kernel}, options_.start,
               {.memory = {2, 3, 1, 0}});
    if (options_.bias != Bias::none) {
      layout.add(name_ + ".bias", {out_}, Start::zeros);
    }
  }
  size_t parameters() const override { return options_.bias == Bias::none ? 1 : 2; }
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors& p) const override {
    const Grouped grouped{.tasks = x.size(1), .kernel = options_.kernel, .stride = options_.stride};
    const at::Tensor bias = options_.bias == Bias::added ? p[1] : at::Tensor();
    return std::make_unique<Point>(grouped, options_.bias, x, p[0].contiguous(), bias);
  }

 private:
  std::string name_;
  int64_t in_, out_;
  ConvOptions options_;
};

}  // namespace

std::unique_ptr<Layer> conv2d(std::string name, int64_t in_channels, int64_t out_channels,
                              const ConvOptions& options) {
  return std::make_unique<Conv2d>(std::move(name), in_channels, out_channels, options);
}

}  // namespace ufo::nn
