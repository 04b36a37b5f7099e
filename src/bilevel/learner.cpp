#include <ATen/ATen.h>

#include <ufo/bilevel/learner.h>

namespace ufo::bilevel {

Learner::Learner(const nn::Network& network)
    : network(network), rates(std::make_shared<const InnerRates>()) {}

Learner::Learner(const nn::Network& network, const InnerOptions& inner, const at::TensorOptions& like)
    : network(network),
      rates(std::make_shared<const InnerRates>(
          InnerRates(inner, network.layout()).to(like.has_dtype() ? like : like.dtype(at::kFloat)))) {}

Learner Learner::to(const at::TensorOptions& like) const {
  Learner moved(network);
  moved.rates = std::make_shared<const InnerRates>(rates->to(like));
  return moved;
}

nn::Layout Learner::layout() const {
  nn::Layout layout = network.layout();
  rates->declare(layout);
  return layout;
}

at::Tensor Learner::initial(uint64_t seed) const {
  const at::Tensor start = network.initial_parameters(seed);
  return rates->size() > 0 ? at::cat({start, rates->initial()}) : start;
}

}  // namespace ufo::bilevel
