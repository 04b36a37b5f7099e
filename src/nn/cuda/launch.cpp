#include "launch.h"

#include <map>

namespace ufo::nn {
namespace {

std::map<c10::DeviceType, std::shared_ptr<KernelRunner>>& runners() {
  static std::map<c10::DeviceType, std::shared_ptr<KernelRunner>> all;
  return all;
}

}  // namespace

void set_kernel_runner(c10::DeviceType type, std::shared_ptr<KernelRunner> runner) {
  runners()[type] = std::move(runner);
}

bool has_kernel_runner(c10::DeviceType type) {
  const auto found = runners().find(type);
  return found != runners().end() && found->second != nullptr;
}

namespace cuda {

KernelRunner* runner_for(const at::Tensor& x) {
  const auto found = runners().find(x.device().type());
  return found == runners().end() ? nullptr : found->second.get();
}

}  // namespace cuda
}  // namespace ufo::nn
