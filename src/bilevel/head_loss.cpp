#include "head_loss.h"

#include <ATen/ATen.h>

#include <ufo/bilevel/classification.h>

namespace ufo::bilevel {
namespace {

/// The weights [T, N, F] of a head phi [T, H].
at::Tensor weight_of(const at::Tensor& phi, int64_t features) {
  const int64_t ways = phi.size(1) / (features + 1);
  return phi.narrow(1, 0, ways * features).view({-1, ways, features});
}

}  // namespace

at::Tensor head_logits(const at::Tensor& features, const at::Tensor& phi) {
  const at::Tensor weight = weight_of(phi, features.size(2)), bias = phi.slice(1, -weight.size(1));
  return at::baddbmm(bias.unsqueeze(1), features.narrow(0, 0, phi.size(0)), weight.transpose(1, 2));
}

HeadLoss::HeadLoss(const at::Tensor& features, const at::Tensor& phi, const at::Tensor& labels)
    : features_(features), phi_(phi), labels_(labels), logits_(head_logits(features, phi)) {
  probability_ = logits_.softmax(-1);
  const at::Tensor index = labels.unsqueeze(-1);
  dl_ = probability_.scatter_add(-1, index, at::full_like(index, -1, features.options())) /
        static_cast<double>(features.size(1));
}

OuterValue HeadLoss::value() const {
  return {.loss = cross_entropy(logits_, labels_), .accuracy = accuracy(logits_, labels_)};
}

at::Tensor HeadLoss::gradient_of(const at::Tensor& dl) const {
  const at::Tensor features = features_.narrow(0, 0, dl.size(0));
  return at::cat({at::bmm(dl.transpose(1, 2), features).flatten(1), dl.sum(1)}, 1);
}

at::Tensor HeadLoss::by_head() const { return gradient_of(dl_); }

at::Tensor HeadLoss::by_features() const { return at::bmm(dl_, weight_of(phi_, features_.size(2))); }

/// The logits' gradient along v: with p = softmax(l), p (l_t - <p, l_t>) / S.
at::Tensor HeadLoss::tangent(const at::Tensor& v) const {
  const at::Tensor l_t = head_logits(features_, v), p = probability_.narrow(0, 0, v.size(0));
  return p * (l_t - (p * l_t).sum(-1, true)) / static_cast<double>(features_.size(1));
}

at::Tensor HeadLoss::head_product(const at::Tensor& v) const { return gradient_of(tangent(v)); }

at::Tensor HeadLoss::features_product(const at::Tensor& v) const {
  const int64_t tasks = v.size(0), size = features_.size(2);
  return at::bmm(tangent(v), weight_of(phi_.narrow(0, 0, tasks), size)) +
         at::bmm(dl_.narrow(0, 0, tasks), weight_of(v, size));
}

}  // namespace ufo::bilevel
