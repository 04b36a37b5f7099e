#include <ATen/ATen.h>

#include <ufo/nn/layer.h>

namespace ufo::nn {
namespace {

constexpr int64_t kPixels[] = {0, 3, 4};  // all axes but task and channel

at::Tensor batch_mean(const at::Tensor& x) { return x.mean(kPixels, true); }
at::Tensor batch_sum(const at::Tensor& x) { return x.sum(kPixels); }
/// [T, C] to [1, T, C, 1, 1].
at::Tensor wide(const at::Tensor& p) { return p.unsqueeze(0).unsqueeze(-1).unsqueeze(-1); }

/// y = gamma h + beta, h = (x - mean) r, r = 1 / sqrt(variance + eps).
class Point final : public LayerPoint {
 public:
  Point(const at::Tensor& value, at::Tensor h, at::Tensor r, const Tensors& p)
      : LayerPoint(value), h_(std::move(h)), r_(std::move(r)), gamma_(wide(p[0])) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool) override {
    dy_ = dy;
    m1_ = batch_mean(dy);
    m2_ = batch_mean(dy * h_);
    dp = {batch_sum(dy * h_), batch_sum(dy)};
    core_ = dy - m1_ - h_ * m2_;
    return gamma_ * r_ * core_;
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    gamma_t_ = wide(p_t[0]);
    const at::Tensor moved = x_t.defined() ? x_t : at::zeros_like(h_);
    const at::Tensor q = batch_mean(h_ * moved);
    h_t_ = r_ * (moved - batch_mean(moved) - h_ * q);
    r_t_ = -r_ * r_ * q;
    return gamma_t_ * h_ + gamma_ * h_t_ + wide(p_t[1]);
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool) override {
    const at::Tensor product_t = dy_t * h_ + dy_ * h_t_;
    dp_t = {batch_sum(product_t), batch_sum(dy_t)};
    const at::Tensor core_t = dy_t - batch_mean(dy_t) - h_t_ * m2_ - h_ * batch_mean(product_t);
    return (gamma_t_ * r_ + gamma_ * r_t_) * core_ + gamma_ * r_ * core_t;
  }

 private:
  at::Tensor h_, r_, gamma_;
  at::Tensor dy_, m1_, m2_, core_;
  at::Tensor gamma_t_, h_t_, r_t_;
};

class BatchNorm final : public Layer {
 public:
  BatchNorm(std::string name, int64_t channels, double eps)
      : name_(std::move(name)), channels_(channels), eps_(eps) {}

  void declare(Layout& layout) const override {
    layout.add(name_ + ".weight", {channels_});
    layout.add(name_ + ".bias", {channels_});
  }
  size_t parameters() const override { return 2; }
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors& p) const override {
    const at::Tensor centred = x - batch_mean(x);
    const at::Tensor r = (batch_mean(centred.square()) + eps_).rsqrt();
    const at::Tensor h = centred * r;
    return std::make_unique<Point>(wide(p[0]) * h + wide(p[1]), h, r, p);
  }

  at::Tensor value_by(int64_t reference, const at::Tensor& x, const Tensors& p) const override {
    const at::Tensor centred = x - batch_mean(x.narrow(0, 0, reference));
    const at::Tensor r = (batch_mean(centred.narrow(0, 0, reference).square()) + eps_).rsqrt();
    return wide(p[0]) * (centred * r) + wide(p[1]);
  }

 private:
  std::string name_;
  int64_t channels_;
  double eps_;
};

}  // namespace

std::unique_ptr<Layer> batch_norm(std::string name, int64_t channels, double eps) {
  return std::make_unique<BatchNorm>(std::move(name), channels, eps);
}

}  // namespace ufo::nn
