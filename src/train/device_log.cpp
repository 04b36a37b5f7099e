#include "device_log.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace ufo::train {

void DeviceLog::add(StepResult known, const at::Tensor& numbers) {
  if (blocks_.empty() || blocks_.back().done) {
    const auto options = at::TensorOptions(at::kDouble).pinned_memory(!device_.is_cpu());
    blocks_.push_back({.steps = {}, .numbers = at::empty({log_every_, kNumbers}, options), .done = {}});
  }
  Block& block = blocks_.back();
  block.numbers[static_cast<int64_t>(block.steps.size())].copy_(numbers, /*non_blocking=*/true);
  block.steps.push_back(std::move(known));
  if (static_cast<int64_t>(block.steps.size()) == log_every_) {
    close(block);
  }
}

std::vector<StepResult> DeviceLog::take(Wait wait) {
  if (wait == Wait::yes && !blocks_.empty()) {
    close(blocks_.back());
  }
  std::vector<StepResult> results;
  // Two blocks at most are on their way, so that the host never runs far ahead.
  while (!blocks_.empty() && (wait == Wait::yes || blocks_.size() > 2 || is_done(blocks_.front()))) {
    read(blocks_.front(), results);
    blocks_.pop_front();
  }
  return results;
}

void DeviceLog::close(Block& block) {
  if (!block.done) {
    block.done.emplace(device_.type());
    if (!device_.is_cpu()) {
      block.done->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
    }
  }
}

bool DeviceLog::is_done(const Block& block) const {
  return block.done && (device_.is_cpu() || block.done->query());
}

void DeviceLog::read(const Block& block, std::vector<StepResult>& results) {
  if (!device_.is_cpu()) {
    block.done->synchronize();
  }
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - last_read_).count();
  last_read_ = now;
  const double* number = block.numbers.const_data_ptr<double>();
  for (size_t i = 0; i < block.steps.size(); ++i, number += kNumbers) {
    StepResult result = block.steps[i];
    const double tasks = static_cast<double>(result.estimate.tasks);
    const double exact_tasks = static_cast<double>(result.estimate.exact_tasks);
    using Sums = bilevel::DeviceSums;
    result.estimate.loss = number[Sums::kLoss] / tasks;
    result.estimate.accuracy = number[Sums::kAccuracy] / tasks;
    result.estimate.bias_squared = number[Sums::kBiasSquared] / exact_tasks;
    result.estimate.norm_squared = number[Sums::kNormSquared] / exact_tasks;
    result.gradient_norm = number[kGradientNorm];
    result.seconds = seconds / static_cast<double>(block.steps.size());
    results.push_back(std::move(result));
  }
}

}  // namespace ufo::train
