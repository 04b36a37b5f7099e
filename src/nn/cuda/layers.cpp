#include "layers.h"

#include "../layers/planar.h"
#include "convolution.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace ufo::nn::cuda {
namespace {

/// w [T, F, C, k, k] as [T, k, k, C, F], each task's contiguous: a view of the flat vector.
at::Tensor weights_of(const at::Tensor& w) {
  const at::Tensor matrix = w.permute({0, 3, 4, 2, 1});
  return matrix.select(0, 0).is_contiguous() ? matrix : matrix.contiguous();
}
at::Tensor of_layout(const at::Tensor& dw) { return dw.permute({0, 4, 3, 1, 2}); }

class ConvPoint final : public LayerPoint {
 public:
  ConvPoint(const ConvOptions& options, const at::Tensor& x, const Tensors& p)
      : ConvPoint(options, Convolution(x, p[0].size(1), options.kernel, options.stride), x, weights_of(p[0]),
                  p) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) override {
    dy_ = planar(dy);
    put(convolution_.by_weights({{x_, dy_}}), dy_, dp);
    return needs_dx ? from_planar(convolution_.by_input({{dy_, w_}})) : at::Tensor();
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    w_t_ = weights_of(p_t[0]);
    x_t_ = x_t.defined() ? planar(x_t) : at::Tensor();
    std::vector<Convolution::Factors> products = {{x_, w_t_}};
    if (x_t_.defined()) {
      products.push_back({x_t_, w_});
    }
    return with_bias(from_planar(convolution_.value(products)), p_t);
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) override {
    const at::Tensor moved = planar(dy_t);
    std::vector<Convolution::Factors> products = {{x_, moved}};
    if (x_t_.defined()) {
      products.push_back({x_t_, dy_});
    }
    put(convolution_.by_weights(products), moved, dp_t);
    return needs_dx ? from_planar(convolution_.by_input({{moved, w_}, {dy_, w_t_}})) : at::Tensor();
  }

  MultiplyAdds multiply_adds() const override { return {products_, products_}; }

  void keep(int64_t tasks) override {
    for (at::Tensor* const tensor : {&x_, &dy_, &w_}) {
      *tensor = tensor->narrow(0, 0, tasks);
    }
  }

 private:
  ConvPoint(const ConvOptions& options, const Convolution& convolution, const at::Tensor& x,
            const at::Tensor& w, const Tensors& p)
      : LayerPoint(with_bias(options, from_planar(convolution.value({{x, w}})), p)),
        options_(options),
        convolution_(convolution),
        products_(value().numel() * p[0][0][0].numel()),
        x_(x),
        w_(w) {}

  static at::Tensor with_bias(const ConvOptions& options, const at::Tensor& y, const Tensors& p) {
    return options.bias == Bias::added ? y + p[1].unsqueeze(0).unsqueeze(-1).unsqueeze(-1) : y;
  }
  at::Tensor with_bias(const at::Tensor& y, const Tensors& p) const { return with_bias(options_, y, p); }

  void put(const at::Tensor& dw, const at::Tensor& dy, Tensors& dp) const {
    dp[0] = of_layout(dw);
    if (options_.bias == Bias::added) {
      dp[1] = dy.sum({2, 3, 4});
    }
  }

  ConvOptions options_;
  Convolution convolution_;
  int64_t products_;
  at::Tensor x_, w_, dy_, x_t_, w_t_;  // activations planar
};

/// A row a channel of a task: [T, C, S, H, W] or, for numbers, [T, C].
class NormPoint final : public LayerPoint {
 public:
  NormPoint(const at::Tensor& x, const Tensors& p, double eps)
      : NormPoint(x, rows_of(p[0]), at::empty({x.size(0), x.size(1)}, x.options()),
                  at::empty({x.size(0), x.size(1)}, x.options()), rows_of(p[1]), eps) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool) override {
    dy_ = planar(dy);
    at::Tensor dx = at::empty_like(dy_);
    dgamma_ = at::empty_like(mean_), dbeta_ = at::empty_like(mean_);
    run(x_, "normalize_adjoint", sizes(gamma_), data(x_), data(mean_), data(r_), data(gamma_), data(dy_),
        data(dx), data(dgamma_), data(dbeta_));
    dp = {dgamma_, dbeta_};
    return from_planar(dx);
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    x_t_ = x_t.defined() ? planar(x_t) : at::Tensor();
    gamma_t_ = rows_of(p_t[0]);
    at::Tensor beta_t = rows_of(p_t[1]);
    if (beta_t.stride(0) != gamma_t_.stride(0)) {
      gamma_t_ = gamma_t_.contiguous(), beta_t = beta_t.contiguous();
    }
    at::Tensor y_t = at::empty_like(x_);
    mean_t_ = at::empty_like(mean_), along_h_t_ = at::empty_like(mean_);
    run(x_, "normalize_tangent", sizes(gamma_), data(x_), data(mean_), data(r_), data(gamma_),
        stride(gamma_t_), data(gamma_t_), data(beta_t), data(x_t_), data(y_t), data(mean_t_),
        data(along_h_t_));
    return from_planar(y_t);
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool) override {
    const at::Tensor moved = planar(dy_t);
    at::Tensor dx_t = at::empty_like(moved), dgamma_t = at::empty_like(mean_),
               dbeta_t = at::empty_like(mean_);
    run(x_, "normalize_adjoint_tangent", sizes(gamma_), data(x_), data(mean_), data(r_), data(gamma_),
        stride(gamma_t_), data(gamma_t_), data(x_t_), data(mean_t_), data(along_h_t_), data(dy_),
        data(dgamma_), data(dbeta_), data(moved), data(dx_t), data(dgamma_t), data(dbeta_t));
    dp_t = {dgamma_t, dbeta_t};
    return from_planar(dx_t);
  }

  void keep(int64_t tasks) override {
    for (at::Tensor* const tensor : {&x_, &dy_, &mean_, &r_, &gamma_, &dgamma_, &dbeta_}) {
      *tensor = tensor->narrow(0, 0, tasks);
    }
  }

 private:
  NormPoint(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& mean, const at::Tensor& r,
            const at::Tensor& beta, double eps)
      : LayerPoint(from_planar(normalize(x, gamma, beta, eps, mean, r))),
        x_(x),
        mean_(mean),
        r_(r),
        gamma_(gamma) {}

  static at::Tensor normalize(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                              double eps, const at::Tensor& mean, const at::Tensor& r) {
    at::Tensor y = at::empty_like(x);
    NormSizes n = sizes(x, gamma);
    n.beta_stride = beta.stride(0);
    const auto arguments = [&](auto real) {
      run(x, "normalize", n, data(x), data(gamma), data(beta), real, data(y), data(mean), data(r));
    };
    x.scalar_type() == at::kFloat ? arguments(static_cast<float>(eps)) : arguments(eps);
    return y;
  }

  /// [T, C] with neighbouring channels side by side.
  static at::Tensor rows_of(const at::Tensor& p) { return p.stride(1) == 1 ? p : p.contiguous(); }
  static void* data(const at::Tensor& tensor) {
    return tensor.defined() ? const_cast<void*>(tensor.const_data_ptr()) : nullptr;
  }
  static long long stride(const at::Tensor& p) { return p.stride(0); }
  static NormSizes sizes(const at::Tensor& x, const at::Tensor& gamma) {
    return {.channels = static_cast<int>(x.size(1)),
            .pixels = static_cast<int>(x[0][0].numel()),
            .gamma_stride = stride(gamma),
            .beta_stride = 0};
  }
  NormSizes sizes(const at::Tensor& gamma) const { return sizes(x_, gamma); }

  template <class... Arguments>
  static void run(const at::Tensor& x, const char* name, const NormSizes& n, Arguments... arguments) {
    const int64_t most = n.pixels > 4096 ? 1024 : 256;
    int64_t threads = 32;
    while (threads < most && 2 * threads <= n.pixels) {
      threads *= 2;
    }
    launch(x, name, {x.size(0) * x.size(1), 1, 1}, threads, n, arguments...);
  }

  at::Tensor x_, mean_, r_, gamma_;                // where it is taken
  at::Tensor dy_, dgamma_, dbeta_;                 // and its adjoint
  at::Tensor x_t_, gamma_t_, mean_t_, along_h_t_;  // of the direction
};

}  // namespace

bool serves(const at::Tensor& x, const Tensors& p) {
  constexpr int64_t kMost = int64_t{1} << 31;  // places within a task are int in the kernels
  if (runner_for(x) == nullptr || (x.scalar_type() != at::kFloat && x.scalar_type() != at::kDouble) ||
      x.size(0) * std::max(x.size(2), p[0].size(1)) * x.size(3) * x.size(4) >= kMost) {
    return false;
  }
  const bool grads = c10::GradMode::is_enabled();
  return !(grads && x.requires_grad()) && std::all_of(p.begin(), p.end(), [&](const at::Tensor& tensor) {
    return tensor.scalar_type() == x.scalar_type() && !(grads && tensor.requires_grad());
  });
}

std::unique_ptr<LayerPoint> conv2d_point(const ConvOptions& options, const at::Tensor& x, const Tensors& p) {
  return std::make_unique<ConvPoint>(options, planar(x), p);
}

std::unique_ptr<LayerPoint> batch_norm_point(const at::Tensor& x, const Tensors& p, double eps) {
  return std::make_unique<NormPoint>(planar(x), p, eps);
}

}  // namespace ufo::nn::cuda
