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
      : net_(net) {
    c10::NoGradGuard no_grad;
    const Tensors p = net.layout().unpack(parameters);
    at::Tensor x = tasks_second(images);
    for (const auto& layer : net.layers_) {
      points_.push_back(
          layer->at(x, part(p, first_.empty() ? 0 : first_.back() + count_.back(), layer->parameters())));
      first_.push_back(first_.empty() ? 0 : first_.back() + count_.back());
      count_.push_back(layer->parameters());
      x = points_.back()->value();
    }
    evaluate_loss(x, labels.transpose(0, 1));
    if (derivatives == Derivatives::none) {
      return;
    }
    Tensors gradients(p.size());
    at::Tensor dy = dlogits_;
    for (size_t i = points_.size(); i-- > 0;) {
      Tensors dp(count_[i]);
      dy = points_[i]->adjoint(dy, dp, i > 0);
      std::move(dp.begin(), dp.end(), gradients.begin() + static_cast<std::ptrdiff_t>(first_[i]));
    }
    gradient = net.layout().pack(gradients);
  }

  at::Tensor hessian_product(const at::Tensor& v) override {
    c10::NoGradGuard no_grad;
    const Tensors p_t = net_.layout().unpack(v);
    at::Tensor x_t;
    for (size_t i = 0; i < points_.size(); ++i) {
      x_t = points_[i]->tangent(x_t, part(p_t, first_[i], count_[i]));
    }
    // p = softmax(l): p_t = p (l_t - <p, l_t>)
    at::Tensor dy_t =
        probability_ * (x_t - (probability_ * x_t).sum(-1, true)) / static_cast<double>(x_t.size(0));
    Tensors products(p_t.size());
    for (size_t i = points_.size(); i-- > 0;) {
      Tensors dp_t(count_[i]);
      dy_t = points_[i]->adjoint_tangent(dy_t, dp_t, i > 0);
      std::move(dp_t.begin(), dp_t.end(), products.begin() + static_cast<std::ptrdiff_t>(first_[i]));
    }
    return net_.layout().pack(products);
  }

 private:
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
  std::vector<std::unique_ptr<LayerPoint>> points_;
  std::vector<size_t> first_, count_;
  at::Tensor probability_, dlogits_;
};

Sequential::Sequential(std::vector<std::unique_ptr<Layer>> layers) {
  for (auto& layer : layers) {
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

std::unique_ptr<LossTape> Sequential::tape(const at::Tensor& parameters, const at::Tensor& images,
                                           const at::Tensor& labels, Derivatives derivatives) const {
  return std::make_unique<SequentialTape>(*this, parameters, images, labels, derivatives);
}

}  // namespace ufo::nn
