#include <ATen/ATen.h>

#include <ufo/bilevel/step_norms.h>

namespace ufo::bilevel {

StepNorms::StepNorms(int64_t steps, const nn::Layout& layout)
    : further_sets_(std::max<int64_t>(steps - 1, 0)), parameters_(layout.size()) {
  std::vector<at::Tensor> places;
  for (const nn::ParameterEntry& entry : layout.entries()) {
    if (entry.norm) {
      entries_.push_back(entry);
      places.push_back(at::arange(entry.offset, entry.offset + entry.size));
    }
  }
  at_ = places.empty() ? at::empty({0}, at::kLong) : at::cat(places);
}

at::Tensor StepNorms::initial(const at::Tensor& start) const {
  return size() == 0 ? start.narrow(0, 0, 0)
                     : start.index_select(0, at_.to(start.device())).repeat({further_sets_});
}

void StepNorms::declare(nn::Layout& layout) const {
  for (int64_t set = 1; set <= further_sets_; ++set) {
    for (const nn::ParameterEntry& entry : entries_) {
      layout.add("inner.norm." + std::to_string(set) + "." + entry.name, entry.shape, entry.start,
                 entry.order);
    }
  }
}

StepNorms StepNorms::to(at::Device device) const {
  StepNorms moved = *this;
  moved.at_ = at_.defined() ? at_.to(device) : at_;
  return moved;
}

at::Tensor StepNorms::enter(const at::Tensor& theta, const at::Tensor& phi, int64_t j) const {
  const int64_t set = further_set(j);
  if (size() == 0 || set < 0) {
    return phi;
  }
  const int64_t own = at_.size(0);
  const at::Tensor values = theta.narrow(-1, parameters_ + set * own, own);
  return phi.index_copy(1, at_, values.expand({phi.size(0), own}));
}

at::Tensor StepNorms::entry_adjoint(at::Tensor& w, int64_t j) const {
  const int64_t set = further_set(j), own = at_.size(0);
  if (set < 0) {
    return at::zeros({w.size(0), size()}, w.options());
  }
  const at::Tensor of_set = w.index_select(1, at_);
  w = w.index_fill(1, at_, 0);
  return at::constant_pad_nd(of_set, {set * own, (further_sets_ - 1 - set) * own});
}

}  // namespace ufo::bilevel
