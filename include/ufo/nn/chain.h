#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <ufo/nn/layer.h>

namespace ufo::nn {

/// Layers one behind the other, as one layer: its parameters are theirs, in order. A chain of no layers is
/// the identity.
class Chain final : public Layer {
 public:
  void add(std::unique_ptr<Layer> layer);

  const std::vector<std::unique_ptr<Layer>>& layers() const { return layers_; }

  /// The number of the layer that has the chain's parameter number `parameter`.
  size_t layer_of(size_t parameter) const;

  void declare(Layout& layout) const override;
  size_t parameters() const override { return parameters_; }
  std::unique_ptr<LayerPoint> at(const at::Tensor& x, const Tensors& p) const override;
  at::Tensor value(const at::Tensor& x, const Tensors& p) const override;
  at::Tensor value_by(int64_t reference, const at::Tensor& x, const Tensors& p) const override;

  /// The value of the first `layers` layers alone; `p` are all parameters.
  at::Tensor value_of_first(size_t layers, const at::Tensor& x, const Tensors& p) const;

 private:
  friend class ChainPoint;

  /// Hands x through step(layer, x, the layer's parameters) of the first `layers` layers.
  template <class Step>
  at::Tensor through(at::Tensor x, const Tensors& p, size_t layers, Step&& step) const;

  std::vector<std::unique_ptr<Layer>> layers_;
  size_t parameters_ = 0;
};

/// chain(conv2d(...), batch_norm(...), relu())
template <class... Layers>
std::unique_ptr<Chain> chain(Layers... layers) {
  auto result = std::make_unique<Chain>();
  (result->add(std::move(layers)), ...);
  return result;
}

/// A chain at one point.
class ChainPoint final : public LayerPoint {
 public:
  ChainPoint(const Chain& chain, const at::Tensor& x, const Tensors& p)
      : ChainPoint(chain, x, p, chain.layers().size()) {}

  /// Of the first `layers` layers alone; `p` are all parameters, and so are those of the derivatives.
  ChainPoint(const Chain& chain, const at::Tensor& x, const Tensors& p, size_t layers)
      : ChainPoint(evaluate(chain, x, p, layers)) {}

  /// Tangents and their adjoints shall begin at layer number `layer` and end there, as if nothing before it
  /// moved. Said before the adjoint, that drops the layers before it as it passes them; all of them where
  /// `layer` is the number of layers. Afterwards only a layer that was not dropped may be named.
  void move_from(size_t layer) { first_moving_ = layer; }

  at::Tensor adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) override;
  at::Tensor tangent(const at::Tensor& x_t, const Tensors& p_t) override;
  at::Tensor adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) override;
  void keep(int64_t tasks) override;
  MultiplyAdds multiply_adds() const override;

  /// Layer number `i` at its own point.
  const LayerPoint& layer(size_t i) const { return *links_[i].point; }

 private:
  /// A layer, and which of the chain's parameters are its own.
  struct Link {
    std::unique_ptr<LayerPoint> point;
    size_t first, count;
  };
  struct Evaluated {
    std::vector<Link> links;
    at::Tensor value;
  };

  explicit ChainPoint(Evaluated evaluated);
  static Evaluated evaluate(const Chain& chain, const at::Tensor& x, const Tensors& p, size_t layers);

  std::vector<Link> links_;
  size_t first_moving_ = 0;
};

}  // namespace ufo::nn
