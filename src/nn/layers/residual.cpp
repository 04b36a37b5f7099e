#include <ATen/ATen.h>

#include <ufo/base/plus.h>
#include <ufo/nn/layer.h>

namespace ufo::nn {
namespace {

/// The parameters of the two branches.
std::pair<Tensors, Tensors> split(const Tensors& p, size_t of_body) {
  const auto middle = p.begin() + static_cast<std::ptrdiff_t>(of_body);
  return {{p.begin(), middle}, {middle, p.end()}};
}

/// y = f(x, p) + g(x, q), whose parameters are p and q.
class Point final : public LayerPoint {
 public:
  Point(std::unique_ptr<LayerPoint> body, std::unique_ptr<LayerPoint> shortcut, size_t of_body)
      : LayerPoint(body->take_value() + shortcut->take_value()),
        body_(std::move(body)),
        shortcut_(std::move(shortcut)),
        of_body_(of_body) {}

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) override {
    return of_both(dp, [&](LayerPoint& branch, Tensors& own) { return branch.adjoint(dy, own, needs_dx); });
  }

  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override {
    const auto [body, shortcut] = split(p_t, of_body_);
    return plus(body_->tangent(x_t, body), shortcut_->tangent(x_t, shortcut));
  }

  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) override {
    return of_both(
        dp_t, [&](LayerPoint& branch, Tensors& own) { return branch.adjoint_tangent(dy_t, own, needs_dx); });
  }

  void keep(int64_t tasks) override {
    body_->keep(tasks);
    shortcut_->keep(tasks);
  }

  MultiplyAdds multiply_adds() const override {
    return body_->multiply_adds().beside(shortcut_->multiply_adds());
  }

 private:
  /// The sum of what `adjoint` gives of the two branches; fills dp with what it fills in of theirs.
  template <class Adjoint>
  at::Tensor of_both(Tensors& dp, Adjoint&& adjoint) {
    auto [by_body, by_shortcut] = split(dp, of_body_);
    const at::Tensor of_body = adjoint(*body_, by_body), of_shortcut = adjoint(*shortcut_, by_shortcut);
    dp = std::move(by_body);
    dp.insert(dp.end(), by_shortcut.begin(), by_shortcut.end());
    return plus(of_body, of_shortcut);
  }

  std::unique_ptr<LayerPoint> body_, shortcut_;
  size_t of_body_;
};

class Residual final : public Layer {
 public:
  Residual(std::unique_ptr<Layer> body, std::unique_ptr<Layer> shortcut)
      : body_(std::move(body)), shortcut_(std::move(shortcut)) {}

  void declare(Layout& layout) const override {
    body_->declare(layout);
    shortcut_->declare(layout);
  }
  size_t parameters() const override { return body_->parameters() + shortcut_->parameters(); }
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors& p) const override {
    const auto [body, shortcut] = split(p, body_->parameters());
    return std::make_unique<Point>(body_->at(x, body), shortcut_->at(x, shortcut), body.size());
  }
  at::Tensor value(const at::Tensor& x, const Tensors& p) const override {
    const auto [body, shortcut] = split(p, body_->parameters());
    return body_->value(x, body) + shortcut_->value(x, shortcut);
  }
  at::Tensor value_by(int64_t reference, const at::Tensor& x, const Tensors& p) const override {
    const auto [body, shortcut] = split(p, body_->parameters());
    return body_->value_by(reference, x, body) + shortcut_->value_by(reference, x, shortcut);
  }

 private:
  std::unique_ptr<Layer> body_, shortcut_;
};

}  // namespace

std::unique_ptr<Layer> residual(std::unique_ptr<Layer> body, std::unique_ptr<Layer> shortcut) {
  return std::make_unique<Residual>(std::move(body), std::move(shortcut));
}

}  // namespace ufo::nn
