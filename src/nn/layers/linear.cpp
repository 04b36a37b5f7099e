#include <ATen/ATen.h>

#include <ufo/nn/layer.h>

namespace ufo::nn {
namespace {

/// x [S, T, D] with W [T, F, D] to [S, T, F].
at::Tensor times(const at::Tensor& x, const at::Tensor& w) {
  return at::bmm(x.transpose(0, 1), w.transpose(1, 2)).transpose(0, 1);
}
/// dy [S, T, F] with W [T, F, D] to [S, T, D].
at::Tensor times_transposed(const at::Tensor& dy, const at::Tensor& w) {
  return at::bmm(dy.transpose(0, 1), w).transpose(0, 1);
}
/// dy [S, T, F] and x [S, T, D] to dW [T, F, D].
at::Tensor weight_gradient(const at::Tensor& dy, const at::Tensor& x) {
  return at::bmm(dy.permute({1, 2, 0}), x.transpose(0, 1));
}

/// y = W x + b.
class Point final : public LayerPoint {
 public:
  Point(const at::Tensor& x, const Tensors& p)
      : LayerPoint(times(x, p[0]) + p[1]), products_(value().numel() * x.size(-1)), x_(x), w_(p[0]) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) override {
    dy_ = dy;
    dp = {weight_gradient(dy, x_), dy.sum(0)};
    return needs_dx ? times_transposed(dy, w_) : at::Tensor();
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    x_t_ = x_t;
    w_t_ = p_t[0];
    const at::Tensor y_t = times(x_, w_t_) + p_t[1];
    return x_t.defined() ? y_t + times(x_t, w_) : y_t;
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) override {
    at::Tensor dw_t = weight_gradient(dy_t, x_);
    if (x_t_.defined()) {
      dw_t = dw_t + weight_gradient(dy_, x_t_);
    }
    dp_t = {dw_t, dy_t.sum(0)};
    return needs_dx ? times_transposed(dy_t, w_) + times_transposed(dy_, w_t_) : at::Tensor();
  }

  MultiplyAdds multiply_adds() const override { return {products_, products_}; }

  void keep(int64_t tasks) override {
    keep_first(tasks, {&x_, &dy_});
    w_ = w_.narrow(0, 0, tasks);
  }

 private:
  int64_t products_;
  at::Tensor x_, w_, dy_, x_t_, w_t_;
};

class Linear final : public Layer {
 public:
  Linear(std::string name, int64_t in_features, int64_t out_features, std::vector<int64_t> image)
      : name_(std::move(name)), in_(in_features), out_(out_features), image_(std::move(image)) {}

  void declare(Layout& layout) const override {
    MemoryOrder order;
    if (!image_.empty()) {
      order = {.axes = {out_, image_[0], image_[1], image_[2]}, .memory = {0, 2, 3, 1}};
    }
    layout.add(name_ + ".weight", {out_, in_}, Start::glorot, std::move(order));
    layout.add(name_ + ".bias", {out_}, Start::zeros);
  }
  size_t parameters() const override { return 2; }
  bool is_linear() const override { return true; }
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors& p) const override {
    return std::make_unique<Point>(x, p);
  }

 private:
  std::string name_;
  int64_t in_, out_;
  std::vector<int64_t> image_;
};

}  // namespace

std::unique_ptr<Layer> linear(std::string name, int64_t in_features, int64_t out_features,
                              std::vector<int64_t> image) {
  return std::make_unique<Linear>(std::move(name), in_features, out_features, std::move(image));
}

}  // namespace ufo::nn
