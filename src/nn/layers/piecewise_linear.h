#pragma once

#include <ufo/nn/layer.h>

namespace ufo::nn {

/// A layer without parameters that is linear once its input has said which way it goes (which elements ReLU
/// passes, which pixels win): tangents go through `forward`, adjoints and their tangents through `backward`.
class PiecewiseLinearPoint : public LayerPoint {
 public:
  at::Tensor adjoint(const at::Tensor& dy, Tensors&, bool) final { return backward(dy); }
  at::Tensor tangent(const at::Tensor& x_t, const Tensors&) final {
    return x_t.defined() ? forward(x_t) : at::Tensor();
  }
  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors&, bool) final { return backward(dy_t); }

 protected:
  using LayerPoint::LayerPoint;
  virtual at::Tensor forward(const at::Tensor& x_t) const = 0;
  virtual at::Tensor backward(const at::Tensor& dy) const = 0;
};

/// The layer whose points are of type Point, made from the input alone.
template <class Point>
class ParameterFree final : public Layer {
 public:
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors&) const override {
    return std::make_unique<Point>(x);
  }
};

}  // namespace ufo::nn
