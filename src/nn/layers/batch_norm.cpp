#include "../cuda/layers.h"

#include <array>
#include <tuple>

#include <ATen/ATen.h>

#include <ufo/nn/layer.h>

namespace ufo::nn {
namespace {

constexpr int64_t kPixels[] = {0, 3, 4};  // all axes but task and channel

at::Tensor batch_mean(const at::Tensor& x) { return x.mean(kPixels, true); }
/// [T, C] to [1, T, C, 1, 1].
at::Tensor wide(const at::Tensor& p) { return p.unsqueeze(0).unsqueeze(-1).unsqueeze(-1); }

/// Whose statistics and sums PyTorch's kernels take in one pass: [S, T, C, H, W] as [S, T C, H, W].
at::Tensor channels(const at::Tensor& x) { return x.flatten(1, 2); }
/// A number a channel, [T, C] or [T C], as [1, T C, 1, 1].
at::Tensor each(const at::Tensor& p) { return p.reshape({1, -1, 1, 1}); }

/// Where the statistics are taken: h = (x - mean) r, r = 1 / sqrt(variance + eps), mean and r [T C].
struct Statistics {
  at::Tensor x, mean, r;
  double eps;

  /// v [S, T C, H, W] to the adjoint of g h, with g a number a channel:
  ///   g r (v - mean(v) - h mean(h v)), sum(h v), sum(v).
  /// With g = 1 the first is the tangent of h along v as well.
  std::tuple<at::Tensor, at::Tensor, at::Tensor> adjoint(const at::Tensor& v, const at::Tensor& g,
                                                         std::array<bool, 3> wanted) const {
    return at::native_batch_norm_backward(v, x, g, {}, {}, mean, r, /*train=*/true, eps, wanted);
  }
};

/// y = gamma h + beta.
class Point final : public LayerPoint {
 public:
  Point(const at::Tensor& x, const at::Tensor& y, Statistics statistics, const at::Tensor& gamma)
      : LayerPoint(y.view(x.sizes())), tasks_(x.size(1)), at_(std::move(statistics)), gamma_(gamma) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool) override {
    dy_ = channels(dy);
    auto [dx, dgamma, dbeta] = at_.adjoint(dy_, gamma_, {true, true, true});
    dgamma_ = dgamma;
    dp = {of_tasks(dgamma), of_tasks(dbeta)};
    return dx.view(dy.sizes());
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    if (!h_.defined()) {
      one_ = at::ones_like(gamma_);
      h_ = at::addcmul(each(at_.mean * at_.r).neg(), at_.x, each(at_.r));
      core_ = std::get<0>(at_.adjoint(dy_, one_, {true, false, false}));
    }
    gamma_t_ = p_t[0].reshape(-1);
    at::Tensor none;
    const at::Tensor moved = x_t.defined() ? channels(x_t) : at::zeros_like(at_.x);
    std::tie(h_t_, hx_t_, none) = at_.adjoint(moved, one_, {true, true, false});
    const at::Tensor y_t = at::addcmul(each(p_t[1]), each(gamma_t_), h_);
    return y_t.addcmul_(each(gamma_), h_t_).unflatten(1, {tasks_, -1});
  }

  /// With r_t = -r^2 mean(h x_t), and core = r (dy - mean(dy) - h mean(h dy)) so that dx = gamma core:
  ///   dx_t = (gamma_t + gamma r_t / r) core + gamma core_t.
  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool) override {
    const auto [core_t, dgamma_t, dbeta_t] = at_.adjoint(channels(dy_t), one_, {true, true, true});
    const at::Tensor along_h_t = (dy_ * h_t_).sum({0, 2, 3});
    dp_t = {of_tasks(dgamma_t + along_h_t), of_tasks(dbeta_t)};
    const double share = -1 / static_cast<double>(dy_.numel() / gamma_.numel());
    const at::Tensor gamma_r = gamma_ * at_.r;
    const at::Tensor of_core = at::addcmul(gamma_t_, gamma_r, hx_t_, share);
    return (each(gamma_) * core_t)
        .addcmul_(each(of_core), core_)
        .addcmul_(each(gamma_r * dgamma_), h_t_, share)
        .addcmul_(each(gamma_r * along_h_t), h_, share)
        .view(dy_t.sizes());
  }

  void keep(int64_t tasks) override {
    const int64_t count = gamma_.size(0) / tasks_ * tasks;
    for (at::Tensor* const activation : {&at_.x, &dy_}) {
      *activation = activation->narrow(1, 0, count);
    }
    for (at::Tensor* const number : {&at_.mean, &at_.r, &gamma_, &dgamma_}) {
      *number = number->narrow(0, 0, count);
    }
    h_.reset();
    tasks_ = tasks;
  }

 private:
  at::Tensor of_tasks(const at::Tensor& numbers) const { return numbers.view({tasks_, -1}); }

  int64_t tasks_;
  Statistics at_;
  at::Tensor gamma_, dy_, dgamma_;  // numbers a channel are [T C], activations [S, T C, H, W]
  at::Tensor one_, h_, core_;       // once for all directions
  at::Tensor gamma_t_, h_t_, hx_t_;
};

class BatchNorm final : public Layer {
 public:
  BatchNorm(std::string name, int64_t channels, double eps)
      : name_(std::move(name)), channels_(channels), eps_(eps) {}

  void declare(Layout& layout) const override { layout.add_norm(name_, channels_); }
  size_t parameters() const override { return 2; }
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors& p) const override {
    if (cuda::serves(x, p)) {
      return cuda::batch_norm_point(x, p, eps_);
    }
    const at::Tensor flat = channels(x), gamma = p[0].reshape(-1);
    const auto [y, mean, r] = at::native_batch_norm(flat, gamma, p[1].reshape(-1), {}, {}, /*training=*/true,
                                                    /*momentum=*/0, eps_);
    return std::make_unique<Point>(x, y, Statistics{.x = flat, .mean = mean, .r = r, .eps = eps_}, gamma);
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
