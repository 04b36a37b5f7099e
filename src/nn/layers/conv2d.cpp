#include "../cuda/layers.h"
#include "convolution_at.h"

#include <ATen/ATen.h>

#include <ufo/nn/layer.h>

namespace ufo::nn {
namespace {

/// Weights are made contiguous once: the products would copy them each for itself.
at::Tensor contiguous(const at::Tensor& w) {
  return shared_by_tasks(w) ? w[0].contiguous().expand_as(w) : w.contiguous();
}

class Point final : public LayerPoint {
 public:
  Point(ConvolutionForm form, const ConvOptions& options, const at::Tensor& x, const at::Tensor& w,
        const at::Tensor& b)
      : Point(form, options, convolution_at(form, x, options.kernel, options.stride), w, b) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) override {
    dy_ = dy;
    const auto [dx, dw] = at_x_->adjoint(dy, w_, needs_dx, true);
    put(dw, dy, dp);
    return dx;
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    w_t_ = contiguous(p_t[0]);
    at_x_t_ = x_t.defined() ? convolution_at(form_, x_t, options_.kernel, options_.stride) : nullptr;
    const at::Tensor y_t = at_x_->value(w_t_, options_.bias == Bias::added ? p_t[1] : at::Tensor());
    return at_x_t_ ? y_t + at_x_t_->value(w_, {}) : y_t;
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) override {
    auto [dx_t, dw_t] = at_x_->adjoint(dy_t, w_, needs_dx, true);
    if (at_x_t_) {
      dw_t = dw_t + at_x_t_->adjoint(dy_, w_, false, true).second;
    }
    if (needs_dx) {
      dx_t = dx_t + at_x_->adjoint(dy_, w_t_, true, false).first;
    }
    put(dw_t, dy_t, dp_t);
    return dx_t;
  }

  MultiplyAdds multiply_adds() const override { return {products_, products_}; }

  void keep(int64_t tasks) override {
    keep_first(tasks, {&dy_});
    dy_ = dy_.contiguous();
    w_ = w_.narrow(0, 0, tasks);
    at_x_->keep(tasks);
  }

 private:
  Point(ConvolutionForm form, const ConvOptions& options, std::unique_ptr<ConvolutionAt> at_x,
        const at::Tensor& w, const at::Tensor& b)
      : LayerPoint(at_x->value(w, b)),
        products_(value().numel() * w[0][0].numel()),
        form_(form),
        options_(options),
        at_x_(std::move(at_x)),
        w_(w) {}

  /// The gradients by the weight and, where it is added, the bias.
  void put(const at::Tensor& dw, const at::Tensor& dy, Tensors& dp) const {
    dp[0] = dw;
    if (options_.bias == Bias::added) {
      dp[1] = dy.sum({0, 3, 4});
    }
  }

  int64_t products_;
  ConvolutionForm form_;
  ConvOptions options_;
  std::unique_ptr<ConvolutionAt> at_x_, at_x_t_;
  at::Tensor w_, dy_, w_t_;
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
    if (cuda::serves(x, p)) {
      return cuda::conv2d_point(options_, x, p);
    }
    const at::Tensor w = contiguous(p[0]);
    return std::make_unique<Point>(convolution_form(x, w, options_.stride), options_, x, w,
                                   options_.bias == Bias::added ? p[1] : at::Tensor());
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
