#include "cuda/nccl_group.h"

#include <string>

#define USE_C10D_NCCL
#include <torch/csrc/cuda/nccl.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <ufo/base/error.h>

namespace ufo::train::cuda {
namespace {

/// NCCL's own config struct lies inside c10d's options and grows from one minor version to the next.
void check_version() {
  const uint64_t version = torch::cuda::nccl::version();
  const uint64_t major = version >> 32, minor = version >> 16 & 0xffff;
  if (major != NCCL_MAJOR || minor != NCCL_MINOR) {
    throw ConfigError("nccl: this program was built with the header of " + std::to_string(NCCL_MAJOR) + "." +
                      std::to_string(NCCL_MINOR) + ", LibTorch with " + std::to_string(major) + "." +
                      std::to_string(minor) + ": build it anew against this LibTorch");
  }
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl_group(const c10::intrusive_ptr<c10d::Store>& store, int64_t rank,
                                                  int64_t size, at::Device device,
                                                  std::chrono::milliseconds timeout) {
  check_version();
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(
      c10::make_intrusive<c10d::PrefixStore>("nccl", store), static_cast<int>(rank), static_cast<int>(size),
      std::move(options));
  group->setBoundDeviceId(device);
  return group;
}

}  // namespace ufo::train::cuda
