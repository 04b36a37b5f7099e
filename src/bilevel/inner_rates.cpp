#include <algorithm>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/inner_rates.h>

namespace ufo::bilevel {
namespace {

/// "blocks.0.conv" of "blocks.0.conv.weight".
std::string layer_of(const std::string& parameter) { return parameter.substr(0, parameter.rfind('.')); }

/// Where the head begins; the end where there is none.
int64_t head_start_of(const nn::Layout& layout) {
  return layout.has_head() ? layout.start_of_last(0) : layout.size();
}

bool has_norm(const nn::Layout& layout) {
  return std::any_of(layout.entries().begin(), layout.entries().end(),
                     [](const nn::ParameterEntry& entry) { return entry.norm; });
}

}  // namespace

InnerRates::InnerRates(const InnerOptions& inner, const nn::Layout& layout, NormAdapts norm) {
  const InnerRateOptions& options = inner.rates;
  const double body = options.body > 0 ? options.body : inner.learning_rate,
               head = options.head > 0 ? options.head : inner.learning_rate;
  const bool all = inner.adapt == Adapt::all && (norm == NormAdapts::yes || !has_norm(layout));
  if (!options.learned && all && body == inner.learning_rate && body == head) {
    return;
  }
  if (inner.adapt != Adapt::all && (!layout.has_head() || layout.start_of_last(0) == 0)) {
    throw ConfigError("inner.adapt: need all for a network without a body below its head, got " +
                      word_of(inner.adapt));
  }
  per_ = options.per;
  adapts_what_ = inner.adapt;
  below_zero_ = options.below_zero;
  entries_ = layout.entries();
  const int64_t parameters = layout.size(), head_start = head_start_of(layout);
  start_ = at::full({parameters}, body, at::kDouble);
  start_.narrow(0, head_start, parameters - head_start).fill_(head);
  adapts_ = at::ones({parameters}, at::kDouble);
  if (inner.adapt == Adapt::head) {
    adapts_.narrow(0, 0, head_start).zero_();
  } else if (inner.adapt == Adapt::body) {
    adapts_.narrow(0, head_start, parameters - head_start).zero_();
  }
  for (const nn::ParameterEntry& entry : entries_) {
    if (entry.norm && norm == NormAdapts::no) {
      adapts_.narrow(0, entry.offset, entry.size).zero_();
    }
  }
  start_.mul_(adapts_);
  if (options.learned) {
    group_layers(layout);
    steps_ = per_ == RatesPer::layer_and_step ? inner.steps : 1;
    size_ = per_ == RatesPer::parameter ? parameters : groups() * steps_;
  }
}

void InnerRates::group_layers(const nn::Layout& layout) {
  group_of_ = at::empty({layout.size()}, at::kLong);
  const int64_t head_start = head_start_of(layout);
  const bool one_start = start_.equal(start_.max() * adapts_);
  for (const nn::ParameterEntry& entry : entries_) {
    const bool adapts = adapts_[entry.offset].item<double>() > 0;
    const char* part = one_start ? "all" : entry.offset < head_start ? "body" : "head";
    const std::string name = per_ == RatesPer::run ? part : layer_of(entry.name);
    if (adapts && (groups_.empty() || groups_.back().name != name)) {
      groups_.push_back({name, entry.offset, 0, start_[entry.offset].item<double>()});
    }
    if (adapts) {
      groups_.back().size = entry.offset + entry.size - groups_.back().first;
    }
    group_of_.narrow(0, entry.offset, entry.size).fill_(adapts ? groups() - 1 : -1);
  }
  group_of_.masked_fill_(group_of_.lt(0), groups());
}

at::Tensor InnerRates::initial() const {
  if (size_ == 0) {
    return at::empty({0}, at::kFloat);
  }
  if (per_ == RatesPer::parameter) {
    return start_.to(at::kCPU, at::kFloat);
  }
  std::vector<at::Tensor> rates;
  for (const Group& group : groups_) {
    rates.push_back(at::full({steps_}, group.start, at::kFloat));
  }
  return at::cat(rates);
}

// What they begin as is no Start: initial() has it.
void InnerRates::declare(nn::Layout& layout) const {
  const std::string prefix = "inner.rates.";
  if (size_ > 0 && per_ == RatesPer::parameter) {
    for (const nn::ParameterEntry& entry : entries_) {
      layout.add(prefix + entry.name, entry.shape, nn::Start::zeros, entry.order);
    }
    return;
  }
  for (const Group& group : groups_) {
    layout.add(prefix + group.name,
               per_ == RatesPer::layer_and_step ? std::vector{steps_} : std::vector<int64_t>(),
               nn::Start::zeros);
  }
}

InnerRates InnerRates::to(const at::TensorOptions& like) const {
  InnerRates moved = *this;
  if (!uniform()) {
    moved.start_ = start_.to(like);
    moved.adapts_ = adapts_.to(like);
  }
  if (group_of_.defined()) {
    moved.group_of_ = group_of_.to(like.device());
  }
  return moved;
}

at::Tensor InnerRates::of_step(const at::Tensor& theta, int64_t j) const {
  if (size_ == 0) {
    return start_;
  }
  const at::Tensor rates = theta.narrow(0, theta.size(0) - size_, size_);
  if (per_ == RatesPer::parameter) {
    return rates * adapts_;
  }
  const at::Tensor of_groups = rates.view({groups(), steps_}).select(1, std::min(j, steps_ - 1));
  return at::constant_pad_nd(of_groups, {0, 1}).index_select(0, group_of_);
}

at::Tensor InnerRates::adjoint(const at::Tensor& w, int64_t j) const {
  const at::Tensor adapting = w * adapts_;
  if (per_ == RatesPer::parameter) {
    return adapting;
  }
  std::vector<at::Tensor> sums;
  for (const Group& group : groups_) {
    sums.push_back(adapting.narrow(1, group.first, group.size).sum(1));
  }
  const at::Tensor of_groups = at::stack(sums, 1).unsqueeze(-1);  // [T, groups, 1]
  const int64_t before = std::min(j, steps_ - 1);
  return at::constant_pad_nd(of_groups, {before, steps_ - 1 - before}).flatten(1);
}

std::vector<std::pair<std::string, std::vector<double>>> InnerRates::named(const at::Tensor& theta) const {
  std::vector<std::pair<std::string, std::vector<double>>> all;
  if (size_ == 0) {
    return all;
  }
  const at::Tensor rates = theta.narrow(0, theta.size(0) - size_, size_).to(at::kCPU, at::kDouble);
  if (per_ == RatesPer::parameter) {
    for (const nn::ParameterEntry& entry : entries_) {
      all.push_back({entry.name, {rates.narrow(0, entry.offset, entry.size).mean().item<double>()}});
    }
    return all;
  }
  const double* rate = rates.const_data_ptr<double>();
  for (size_t i = 0; i < groups_.size(); ++i, rate += steps_) {
    all.push_back({groups_[i].name, {rate, rate + steps_}});
  }
  return all;
}

void InnerRates::project(at::Tensor& theta) const {
  if (size_ > 0 && !below_zero_) {
    theta.narrow(0, theta.size(0) - size_, size_).clamp_min_(0);
  }
}

}  // namespace ufo::bilevel
