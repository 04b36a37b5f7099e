#include "launch.h"

#include <map>

namespace ufo::nn {
namespace {

std::map<c10::DeviceType, std::shared_ptr<KernelRunner>>& runners() {
  static std::map<c10::DeviceType, std::shared_ptr<KernelRunner>> all;
  return all;
}

KernelRunner* runner_of(c10::DeviceType type) {
  const auto found = runners().find(type);
  return found == runners().end() ? nullptr : found->second.get();
}

}  // namespace

void set_kernel_runner(c10::DeviceType type, std::shared_ptr<KernelRunner> runner) {
  runners()[type] = std::move(runner);
}

bool has_kernel_runner(c10::DeviceType type) { return runner_of(type) != nullptr; }

KernelRunner* cuda::runner_for(const at::Tensor& x) { return runner_of(x.device().type()); }

}  // namespace ufo::nn
