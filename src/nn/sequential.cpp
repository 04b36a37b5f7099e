#include <algorithm>
#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/nn/sequential.h>

namespace ufo::nn {
namespace {

at::Tensor tasks_second(const at::Tensor& images) { return images.transpose(0, 1).contiguous(); }

/// A layout of one parameter, an image's features: the columns of the head's weights by their order in the
/// flat vector.
Layout feature_order(const Layout& layout) {
  const ParameterEntry& weight = *(layout.entries().end() - 2);
  MemoryOrder order{.axes = {weight.order.axes.begin() + 1, weight.order.axes.end()},
                    .memory = {weight.order.memory.begin() + 1, weight.order.memory.end()}};
  for (int64_t& axis : order.memory) {
    --axis;
  }
  Layout columns;
  columns.add("features", {weight.shape[1]}, Start::zeros, order);
  return columns;
}

}  // namespace

/// The layers at one point, and the loss behind them.
class SequentialTape final : public LossTape {
 public:
  SequentialTape(const Sequential& net, const at::Tensor& parameters, const at::Tensor& images,
                 const at::Tensor& labels, Derivatives derivatives)
      : layout_(net.layout()), chain_(net.chain_), tasks_(parameters.size(0)) {
    c10::NoGradGuard no_grad;
    const Tensors p = layout_.unpack(parameters);
    const at::Tensor x = tasks_second(images), classes = labels.transpose(0, 1);
    if (!derivatives.has_gradient()) {
      evaluate_loss(chain_.value(x, p), classes);
      return;
    }
    auto point = std::make_unique<ChainPoint>(chain_, x, p);
    const at::Tensor dlogits = evaluate_loss(point->take_value(), classes);
    first_moving_ =
        derivatives.has_products() ? first_layer_of(derivatives.blocks()) : chain_.layers().size();
    point->move_from(first_moving_);
    Tensors gradients(p.size());
    point->adjoint(dlogits, gradients, false);
    gradient = layout_.pack(gradients);
    if (derivatives.has_products()) {
      point_ = std::move(point);
    }
  }

  at::Tensor hessian_product(const at::Tensor& v) override { return product_from(first_moving_, v); }

  at::Tensor block_product(const at::Tensor& v, int64_t blocks) override {
    return product_from(first_layer_of(blocks), v);
  }

 private:
  /// With the Hessian's block of the layers from number `layer` on.
  at::Tensor product_from(size_t layer, const at::Tensor& v) {
    if (!point_ || layer < first_moving_) {
      throw std::logic_error("hessian_product: this tape was made without room for it");
    }
    c10::NoGradGuard no_grad;
    keep(v.size(0));
    point_->move_from(layer);
    const Tensors p_t = layout_.unpack(v);
    const at::Tensor l_t = point_->tangent({}, p_t);
    // p = softmax(l): p_t = p (l_t - <p, l_t>)
    const at::Tensor dlogits_t =
        probability_ * (l_t - (probability_ * l_t).sum(-1, true)) / static_cast<double>(l_t.size(0));
    Tensors products(p_t.size());
    point_->adjoint_tangent(dlogits_t, products, false);
    point_->move_from(first_moving_);
    return layout_.pack(products);
  }

  /// The number of the first layer of the last `blocks` blocks.
  size_t first_layer_of(int64_t blocks) const {
    const int64_t start = layout_.start_of_last(blocks);
    const auto before = [&](const ParameterEntry& entry) { return entry.offset < start; };
    const auto& entries = layout_.entries();
    return chain_.layer_of(static_cast<size_t>(std::count_if(entries.begin(), entries.end(), before)));
  }

  /// Drops all but the first `tasks` tasks.
  void keep(int64_t tasks) {
    if (tasks == tasks_) {
      return;
    }
    point_->keep(tasks);
    probability_ = probability_.narrow(1, 0, tasks);
    tasks_ = tasks;
  }

  /// The gradient by the logits [S, T, N] for labels [S, T].
  at::Tensor evaluate_loss(const at::Tensor& logits, const at::Tensor& labels) {
    const auto log_probability = logits.log_softmax(-1);
    const auto index = labels.unsqueeze(-1);
    probability_ = log_probability.exp();
    loss = -log_probability.gather(-1, index).squeeze(-1).mean(0);
    accuracy = logits.argmax(-1).eq(labels).to(logits.scalar_type()).mean(0);
    return probability_.scatter_add(-1, index, at::full_like(index, -1, logits.options())) /
           static_cast<double>(logits.size(0));
  }

  const Layout& layout_;
  const Chain& chain_;
  size_t first_moving_ = 0;            ///< the first layer that Hessian products move
  int64_t tasks_;                      ///< that Hessian products are still of
  std::unique_ptr<ChainPoint> point_;  ///< where there are Hessian products
  at::Tensor probability_;
};

/// The layers before the head at one point.
class SequentialFeatures final : public FeatureTape {
 public:
  SequentialFeatures(const Sequential& net, const at::Tensor& parameters, const at::Tensor& images)
      : layout_(net.layout()), order_(feature_order(layout_)) {
    c10::NoGradGuard no_grad;
    point_ = std::make_unique<ChainPoint>(net.chain_, tasks_second(images), layout_.unpack(parameters),
                                          net.chain_.layers().size() - 1);
    features = order_.pack({point_->take_value().transpose(0, 1)});
  }

  at::Tensor adjoint(const at::Tensor& d) override {
    c10::NoGradGuard no_grad;
    Tensors gradients(layout_.entries().size());
    point_->adjoint(order_.unpack(d).front().transpose(0, 1), gradients, false);
    return layout_.pack(gradients);
  }

 private:
  const Layout& layout_;
  Layout order_;
  std::unique_ptr<ChainPoint> point_;
};

Sequential::Sequential(std::vector<std::unique_ptr<Layer>> layers) {
  size_t left = 0;
  for (const auto& layer : layers) {
    left += layer->parameters();
  }
  for (auto& layer : layers) {
    const size_t own = layer->parameters();
    own > 0 && own == left ? add_head(std::move(layer)) : add(std::move(layer));
    left -= own;
  }
}

void Sequential::add(std::unique_ptr<Layer> layer) {
  if (layer->parameters() > 0) {
    layout_.begin_block();
  }
  layer->declare(layout_);
  chain_.add(std::move(layer));
}

void Sequential::add_head(std::unique_ptr<Layer> layer) {
  layout_.begin_head();
  layer->declare(layout_);
  chain_.add(std::move(layer));
}

at::Tensor Sequential::logits(const at::Tensor& parameters, const at::Tensor& images) const {
  return chain_.value(tasks_second(images), layout_.unpack(parameters)).transpose(0, 1);
}

at::Tensor Sequential::query_logits(const at::Tensor& parameters, const at::Tensor& query,
                                    const at::Tensor& support) const {
  if (batch_norm_mode() != BatchNorm::support) {
    return logits(parameters, query);
  }
  const int64_t reference = support.size(1);
  const at::Tensor x = tasks_second(at::cat({support, query}, 1));
  const at::Tensor y = chain_.value_by(reference, x, layout_.unpack(parameters));
  return y.narrow(0, reference, query.size(1)).transpose(0, 1);
}

bool Sequential::has_features(const at::TensorOptions&) const {
  return !chain_.layers().empty() && chain_.layers().back()->is_linear() && layout_.depth() > 0;
}

std::unique_ptr<FeatureTape> Sequential::features(const at::Tensor& parameters,
                                                  const at::Tensor& images) const {
  return has_features(parameters.options()) ? std::make_unique<SequentialFeatures>(*this, parameters, images)
                                            : nullptr;
}

at::Tensor Sequential::head_inputs(const at::Tensor& parameters, const at::Tensor& images) const {
  if (!has_features(parameters.options())) {
    return {};
  }
  const at::Tensor columns =
      chain_.value_of_first(chain_.layers().size() - 1, tasks_second(images), layout_.unpack(parameters));
  return feature_order(layout_).pack({columns.transpose(0, 1)});
}

NetworkMultiplyAdds Sequential::multiply_adds(const InputShape& input) const {
  c10::NoGradGuard no_grad;
  const at::Tensor x = at::zeros({1, 1, input.channels, input.height, input.width});
  const ChainPoint point(chain_, x, layout_.unpack(at::zeros({1, layout_.size()})));
  NetworkMultiplyAdds result;
  for (size_t i = 0; i < chain_.layers().size(); ++i) {
    if (chain_.layers()[i]->parameters() > 0) {
      result.blocks.emplace_back();
    }
    if (!result.blocks.empty()) {
      result.blocks.back() = result.blocks.back().then(point.layer(i).multiply_adds());
    }
  }
  return result;
}

std::unique_ptr<LossTape> Sequential::tape(const at::Tensor& parameters, const at::Tensor& images,
                                           const at::Tensor& labels, Derivatives derivatives) const {
  return std::make_unique<SequentialTape>(*this, parameters, images, labels, derivatives);
}

}  // namespace ufo::nn
