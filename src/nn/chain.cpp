#include <ufo/nn/chain.h>

namespace ufo::nn {
namespace {

Tensors part(const Tensors& tensors, size_t first, size_t count) {
  const auto begin = tensors.begin() + static_cast<std::ptrdiff_t>(first);
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

void put(Tensors&& part, size_t first, Tensors& tensors) {
  std::move(part.begin(), part.end(), tensors.begin() + static_cast<std::ptrdiff_t>(first));
}

}  // namespace

void Chain::add(std::unique_ptr<Layer> layer) {
  parameters_ += layer->parameters();
  layers_.push_back(std::move(layer));
}

size_t Chain::layer_of(size_t parameter) const {
  size_t layer = 0;
  for (size_t end = layers_[0]->parameters(); end <= parameter; end += layers_[layer]->parameters()) {
    ++layer;
  }
  return layer;
}

void Chain::declare(Layout& layout) const {
  for (const auto& layer : layers_) {
    layer->declare(layout);
  }
}

template <class Step>
at::Tensor Chain::through(at::Tensor x, const Tensors& p, size_t layers, Step&& step) const {
  size_t first = 0;
  for (size_t i = 0; i < layers; ++i) {
    const size_t count = layers_[i]->parameters();
    x = step(*layers_[i], x, part(p, first, count));
    first += count;
  }
  return x;
}

std::unique_ptr<LayerPoint> Chain::at(const at::Tensor& x, const Tensors& p) const {
  return std::make_unique<ChainPoint>(*this, x, p);
}

at::Tensor Chain::value(const at::Tensor& x, const Tensors& p) const {
  return value_of_first(layers_.size(), x, p);
}

at::Tensor Chain::value_of_first(size_t layers, const at::Tensor& x, const Tensors& p) const {
  return through(x, p, layers, [](const Layer& layer, const at::Tensor& x, const Tensors& own) {
    return layer.value(x, own);
  });
}

at::Tensor Chain::value_by(int64_t reference, const at::Tensor& x, const Tensors& p) const {
  return through(x, p, layers_.size(), [&](const Layer& layer, const at::Tensor& x, const Tensors& own) {
    return layer.value_by(reference, x, own);
  });
}

ChainPoint::ChainPoint(Evaluated evaluated)
    : LayerPoint(std::move(evaluated.value)), links_(std::move(evaluated.links)) {}

ChainPoint::Evaluated ChainPoint::evaluate(const Chain& chain, const at::Tensor& x, const Tensors& p,
                                           size_t layers) {
  Evaluated result;
  size_t first = 0;
  result.value =
      chain.through(x, p, layers, [&](const Layer& layer, const at::Tensor& x, const Tensors& own) {
        result.links.push_back({layer.at(x, own), first, own.size()});
        first += own.size();
        return result.links.back().point->take_value();
      });
  return result;
}

at::Tensor ChainPoint::adjoint(const at::Tensor& dy, Tensors& dp, bool needs_dx) {
  at::Tensor dx = dy;
  for (size_t i = links_.size(); i-- > 0;) {
    Link& link = links_[i];
    Tensors own(link.count);
    dx = link.point->adjoint(dx, own, i > 0 || needs_dx);
    put(std::move(own), link.first, dp);
    if (i < first_moving_) {
      link.point.reset();
    }
  }
  return dx;
}

at::Tensor ChainPoint::tangent(const at::Tensor& x_t, const Tensors& p_t) {
  at::Tensor y_t = x_t;
  for (size_t i = first_moving_; i < links_.size(); ++i) {
    const Link& link = links_[i];
    y_t = link.point->tangent(y_t, part(p_t, link.first, link.count));
  }
  return y_t;
}

at::Tensor ChainPoint::adjoint_tangent(const at::Tensor& dy_t, Tensors& dp_t, bool needs_dx) {
  at::Tensor dx_t = dy_t;
  for (size_t i = links_.size(); i-- > first_moving_;) {
    const Link& link = links_[i];
    Tensors own(link.count);
    dx_t = link.point->adjoint_tangent(dx_t, own, i > first_moving_ || needs_dx);
    put(std::move(own), link.first, dp_t);
  }
  return dx_t;
}

void ChainPoint::keep(int64_t tasks) {
  for (size_t i = first_moving_; i < links_.size(); ++i) {
    links_[i].point->keep(tasks);
  }
}

MultiplyAdds ChainPoint::multiply_adds() const {
  MultiplyAdds sum;
  for (const Link& link : links_) {
    sum = sum.then(link.point->multiply_adds());
  }
  return sum;
}

}  // namespace ufo::nn
