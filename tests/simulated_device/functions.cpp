// The device in the place of the program's library for CUDA.

#include "../../src/train/cuda/interface.h"
#include "../nn/emulated_kernels.h"
#include "graph.h"
#include "group.h"
#include "memory.h"
#include "notes.h"

#include <cstdlib>

namespace ufo::simulated {
namespace {

std::string device_name(int) { return "simulated device"; }

/// The kernels on the processor, which is slow, where UFO_TEST_KERNELS is in the environment; otherwise
/// layers are made of ATen's operations.
std::shared_ptr<nn::KernelRunner> make_kernel_runner(const char*, at::Device) {
  if (std::getenv("UFO_TEST_KERNELS") == nullptr) {
    return nullptr;
  }
  return nn::emulated_kernels({.find = [](const void* address) { return Memory::instance().twin(address); },
                               .launch =
                                   [](std::function<void()> kernel, const std::string& signature) {
                                     notes().calls.push_back(signature.substr(0, signature.find('(')));
                                     kernel();
                                     if (Recording* const recording = Recording::current()) {
                                       recording->add(std::move(kernel), signature);
                                     }
                                   }});
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const train::cuda::Functions* ufo_cuda_functions() {
  static constexpr train::cuda::Functions functions{.device_type = kType,
                                                    .cuda_version = 13000,
                                                    .device_name = device_name,
                                                    .make_graph_pool = make_graph_pool,
                                                    .make_kernel_runner = make_kernel_runner,
                                                    .make_nccl_group = make_group};
  start();
  return &functions;
}

}  // namespace ufo::simulated
