#include "prototypes.h"

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/learner.h>

namespace ufo::bilevel {
namespace {

/// Of theta without the rates.
std::shared_ptr<const nn::Layout> own_layout(const nn::Network& network, nn::Head head, int64_t rows) {
  const nn::Layout& layout = network.layout();
  return std::make_shared<const nn::Layout>(
      head == nn::Head::linear ? layout : layout.with_head_rows(head == nn::Head::shared ? 1 : rows));
}

/// The same `head`, refused where `network` has none that can begin so.
nn::Head checked(nn::Head head, const nn::Network& network, const at::TensorOptions& like) {
  if (head != nn::Head::linear && !network.has_features(like)) {
    throw ConfigError("model.head: need linear for a network that is no body with a linear head, got " +
                      word_of(head));
  }
  return head;
}

NormAdapts norm_adapts(const InnerOptions& inner, const nn::Network& network) {
  return inner.norm && !network.norm_per_step() ? NormAdapts::yes : NormAdapts::no;
}

/// For an inner loop with `rates` on a network of this `layout`.
InnerAdam make_adam(const InnerOptions& inner, const nn::Layout& layout, const InnerRates& rates,
                    nn::Head head, const nn::Network& network) {
  if (inner.optimizer != InnerOptimizer::adam) {
    return {};
  }
  const std::string need = "inner.optimizer: need gradient_descent where ";
  if (head != nn::Head::linear) {
    throw ConfigError(need + "the head begins as " + word_of(head) + ", got adam");
  }
  if (rates.size() > 0 || network.norm_per_step()) {
    throw ConfigError(need + "inner steps have rates or batch norm of their own, got adam");
  }
  return InnerAdam(layout);
}

/// inner.batch, refused where no inner step passes the images.
int64_t checked_batch(const InnerOptions& inner) {
  if (inner.batch > 0 && inner.adapt == Adapt::head) {
    throw ConfigError(
        "inner.batch (in evaluation evaluation.inner_batch): need 0 where inner.adapt is head, got " +
        std::to_string(inner.batch));
  }
  return inner.batch;
}

at::TensorOptions floating(const at::TensorOptions& like) {
  return like.has_dtype() ? like : like.dtype(at::kFloat);
}

}  // namespace

Learner::Learner(const nn::Network& network)
    : network(network),
      rates(std::make_shared<const InnerRates>()),
      own(own_layout(network, head, 0)),
      norms(std::make_shared<const StepNorms>()),
      adam(std::make_shared<const InnerAdam>()) {}

Learner::Learner(const nn::Network& network, const InnerOptions& inner, const at::TensorOptions& like,
                 nn::Head head, int64_t rows)
    : network(network),
      rates(std::make_shared<const InnerRates>(
          InnerRates(inner, network.layout(), norm_adapts(inner, network)).to(floating(like)))),
      head(checked(head, network, floating(like))),
      weight_decay(inner.weight_decay),
      own(own_layout(network, head, rows)),
      norms(std::make_shared<const StepNorms>(
          network.norm_per_step() ? StepNorms(inner.steps, *own).to(like.device()) : StepNorms())),
      adam(std::make_shared<const InnerAdam>(make_adam(inner, *own, *rates, head, network))),
      batch(checked_batch(inner)) {}

Learner Learner::to(const at::TensorOptions& like) const {
  Learner moved = *this;
  if (!rates->uniform()) {  // each step of training asks, mostly for what is there already
    moved.rates = std::make_shared<const InnerRates>(rates->to(like));
  }
  if (norms->size() > 0) {
    moved.norms = std::make_shared<const StepNorms>(norms->to(like.device()));
  }
  return moved;
}

int64_t Learner::head_rows() const {
  const bool has_rows = own->has_head() && own->size() > own->start_of_last(0);
  return has_rows ? own->entries().back().shape.front() : 0;
}

at::Tensor Learner::with_body(const at::Tensor& theta) const {
  const nn::Layout& layout = network.layout();
  if (head == nn::Head::linear) {
    return theta.narrow(0, 0, layout.size());
  }
  const int64_t below = layout.start_of_last(0);
  return at::constant_pad_nd(theta.narrow(0, 0, below), {0, layout.size() - below});
}

at::Tensor Learner::start(const at::Tensor& theta, const at::Tensor& support_images,
                          const at::Tensor& support_labels) const {
  const nn::Layout& layout = network.layout();
  const int64_t tasks = support_images.size(0);
  const at::Tensor own = theta.dim() == 2 ? theta : theta.unsqueeze(0).expand({tasks, theta.size(0)});
  if (head == nn::Head::linear) {
    return own.narrow(1, 0, layout.size());
  }
  const int64_t below = layout.start_of_last(0);
  const at::Tensor body = own.narrow(1, 0, below);
  const at::Tensor zeros = at::constant_pad_nd(body, {0, layout.size() - below});
  if (head == nn::Head::zero) {
    return zeros;
  }
  const at::Tensor start =
      head == nn::Head::shared
          ? shared_head(own.narrow(1, below, size() - below), ways())
          : prototype_head(prototypes(network.head_inputs(zeros, support_images), support_labels, ways()));
  return at::cat({body, start}, 1);
}

nn::Layout Learner::layout() const {
  nn::Layout layout = *own;
  norms->declare(layout);
  rates->declare(layout);
  adam->declare(layout);
  return layout;
}

at::Tensor Learner::initial(uint64_t seed) const {
  const at::Tensor start = nn::initial_parameters(*own, seed);
  return at::cat({start, norms->initial(start), rates->initial(), adam->initial()});
}

}  // namespace ufo::bilevel
