#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/nn/sequential.h>

namespace ufo::nn {
namespace {

at::Tensor tasks_second(const at::Tensor& images) { return images.transpose(0, 1).contiguous(); }

/// The part of `tensors` that belongs to one layer.
Tensors part(const Tensors& tensors, size_t first, size_t count) {
  return {tensors.begin() + static_cast<std::ptrdiff_t>(first),
          tensors.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

}  // namespace

/// All layers at one point, and the loss behind them.
class SequentialTape final : public LossTape {
 public:
  SequentialTape(const Sequential& net, const at::Tensor& parameters, const at::Tensor& images,
                 const at::Tensor& labels, Derivatives derivatives)
      : net_(net), tasks_(parameters.size(0)), products_(derivatives.has_products()) {
    c10::NoGradGuard no_grad;
    const Tensors p = net.layout().unpack(parameters);
    at::Tensor x = tasks_second(images);
    size_t first = 0;
    for (const auto& layer : net.layers_) {
      auto point = layer->at(x, part(p, first, layer->parameters()));
      x = point->value();
      if (derivatives.has_gradient()) {
        points_.push_back(std::move(point));
      }
      first_.push_back(first);
      count_.push_back(layer->parameters());
      first += layer->parameters();
    }
    evaluate_loss(x, labels.transpose(0, 1));
    if (!derivatives.has_gradient()) {
      return;
    }
    stop_ = products_ ? first_layer_from(net.layout().start_of_last(derivatives.blocks())) : points_.size();
    Tensors gradients(p.size());
    at::Tensor dy = dlogits_;
    for (size_t i = points_.size(); i-- > 0;) {
      Tensors dp(count_[i]);
      dy = points_[i]->adjoint(dy, dp, i > 0);
      std::move(dp.begin(), dp.end(), gradients.begin() + static_cast<std::ptrdiff_t>(first_[i]));
    }
    gradient = net.layout().pack(gradients);
    std::fill_n(points_.begin(), stop_, nullptr);  // no Hessian product comes here
  }

  at::Tensor hessian_product(const at::Tensor& v) override {
    if (!products_) {
      throw std::logic_error("hessian_product: this tape was made without room for it");
    }
    c10::NoGradGuard no_grad;
    keep(v.size(0));
    const Tensors p_t = net_.layout().unpack(v);
    at::Tensor x_t;
    for (size_t i = stop_; i < points_.size(); ++i) {
      x_t = points_[i]->tangent(x_t, part(p_t, first_[i], count_[i]));
    }
    // p = softmax(l): p_t = p (l_t - <p, l_t>)
    at::Tensor dy_t =
        probability_ * (x_t - (probability_ * x_t).sum(-1, true)) / static_cast<double>(x_t.size(0));
    Tensors products(p_t.size());  // those below stop_ stay undefined: zero
    for (size_t i = points_.size(); i-- > stop_;) {
      Tensors dp_t(count_[i]);
      dy_t = points_[i]->adjoint_tangent(dy_t, dp_t, i > stop_);
      std::move(dp_t.begin(), dp_t.end(), products.begin() + static_cast<std::ptrdiff_t>(first_[i]));
    }
    return net_.layout().pack(products);
  }

 private:
  /// The layer whose parameters begin at `start` of the flat vector.
  size_t first_layer_from(int64_t start) const {
    const auto& entries = net_.layout().entries();
    size_t i = 0;
    while (i + 1 < points_.size() && (count_[i] == 0 || entries[first_[i]].offset < start)) {
      ++i;
    }
    return i;
  }

  /// Drops all but the first `tasks` tasks.
  void keep(int64_t tasks) {
    if (tasks == tasks_) {
      return;
    }
    for (size_t i = stop_; i < points_.size(); ++i) {
      points_[i]->keep(tasks);
    }
    probability_ = probability_.narrow(1, 0, tasks);
    tasks_ = tasks;
  }

  /// logits [S, T, N], labels [S, T].
  void evaluate_loss(const at::Tensor& logits, const at::Tensor& labels) {
    const auto log_probability = logits.log_softmax(-1);
    const auto index = labels.unsqueeze(-1);
    probability_ = log_probability.exp();
    loss = -log_probability.gather(-1, index).squeeze(-1).mean(0);
    accuracy = logits.argmax(-1).eq(labels).to(logits.scalar_type()).mean(0);
    dlogits_ = probability_.scatter_add(-1, index, at::full_like(index, -1, logits.options())) /
               static_cast<double>(logits.size(0));
  }

  const Sequential& net_;
  int64_t tasks_;  ///< that Hessian products are still of
  std::vector<std::unique_ptr<LayerPoint>> points_;
  std::vector<size_t> first_, count_;
  bool products_;
  size_t stop_ = 0;  ///< the first layer that Hessian products move
  at::Tensor probability_, dlogits_;
};

Sequential::Sequential(std::vector<std::unique_ptr<Layer>> layers) {
  size_t left = 0;
  for (const auto& layer : layers) {
    left += layer->parameters();
  }
  for (auto& layer : layers) {
    const size_t own = layer->parameters();
    if (own > 0) {
      own == left ? layout_.begin_head() : layout_.begin_block();
    }
    left -= own;
    add(std::move(layer));
  }
}

void Sequential::add(std::unique_ptr<Layer> layer) {
  layer->declare(layout_);
  layers_.push_back(std::move(layer));
}

at::Tensor Sequential::logits(const at::Tensor& parameters, const at::Tensor& images) const {
  const Tensors p = layout_.unpack(parameters);
  at::Tensor x = tasks_second(images);
  size_t first = 0;
  for (const auto& layer : layers_) {
    x = layer->at(x, part(p, first, layer->parameters()))->value();
    first += layer->parameters();
  }
  return x.transpose(0, 1);
}

at::Tensor Sequential::query_logits(const at::Tensor& parameters, const at::Tensor& query,
                                    const at::Tensor& support) const {
  if (batch_norm_mode() != BatchNorm::support) {
    return logits(parameters, query);
  }
  const Tensors p = layout_.unpack(parameters);
  const int64_t reference = support.size(1);
  at::Tensor x = tasks_second(at::cat({support, query}, 1));
  size_t first = 0;
  for (const auto& layer : layers_) {
    x = layer->value_by(reference, x, part(p, first, layer->parameters()));
    first += layer->parameters();
  }
  return x.narrow(0, reference, query.size(1)).transpose(0, 1);
}

NetworkMultiplyAdds Sequential::multiply_adds(const InputShape& input) const {
  c10::NoGradGuard no_grad;
  const Tensors p = layout_.unpack(at::zeros({1, layout_.size()}));
  const int64_t depth = layout_.depth();
  NetworkMultiplyAdds result;
  size_t first = 0;
  at::Tensor x = at::zeros({1, 1, input.channels, input.height, input.width});
  for (const auto& layer : layers_) {
    const auto next = static_cast<int64_t>(result.blocks.size());
    if (layer->parameters() > 0 && next <= depth &&
        layout_.entries()[first].offset == layout_.start_of_last(depth - next)) {
      result.blocks.emplace_back();
    }
    const auto point = layer->at(x, part(p, first, layer->parameters()));
    if (!result.blocks.empty()) {
      result.blocks.back() = result.blocks.back().then(point->multiply_adds());
    }
    first += layer->parameters();
    x = point->value();
  }
  return result;
}

std::unique_ptr<LossTape> Sequential::tape(const at::Tensor& parameters, const at::Tensor& images,
                                           const at::Tensor& labels, Derivatives derivatives) const {
  return std::make_unique<SequentialTape>(*this, parameters, images, labels, derivatives);
}

}  // namespace ufo::nn
