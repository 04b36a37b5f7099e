#include <ATen/ATen.h>

#include <ufo/bilevel/inner_adam.h>

namespace ufo::bilevel {

InnerAdam::InnerAdam(const nn::Layout& layout) : size_(layout.size() + 1), entries_(layout.entries()) {}

at::Tensor InnerAdam::initial() const { return at::zeros({size_}, at::kFloat); }

void InnerAdam::declare(nn::Layout& layout) const {
  if (size_ == 0) {
    return;
  }
  for (const nn::ParameterEntry& entry : entries_) {
    layout.add("inner.adam.square." + entry.name, entry.shape, nn::Start::zeros, entry.order);
  }
  layout.add("inner.adam.weight", {1}, nn::Start::zeros);
}

at::Tensor InnerAdam::of(const at::Tensor& theta) const {
  return size_ == 0 ? at::Tensor() : theta.narrow(-1, theta.size(-1) - size_, size_);
}

at::Tensor InnerAdam::take_from(const at::Tensor& estimate) const {
  if (size_ == 0) {
    return {};
  }
  const at::Tensor part = of(estimate), state = part.clone();
  part.zero_();
  return state;
}

void InnerAdam::put_into(const at::Tensor& theta, const at::Tensor& state, const at::Tensor& skip) const {
  if (size_ > 0) {
    const at::Tensor own = of(theta);
    own.copy_(skip.defined() ? at::where(skip.gt(0), own, state) : state);
  }
}

}  // namespace ufo::bilevel
