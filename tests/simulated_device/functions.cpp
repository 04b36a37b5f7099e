// The device in the place of the program's library for CUDA.

#include "../../src/train/cuda/interface.h"
#include "graph.h"
#include "group.h"
#include "simulated_device.h"

namespace ufo::simulated {
namespace {

std::string device_name(int) { return "simulated device"; }

/// None: layers are made of ATen's operations. tests/nn runs the kernels on the processor.
std::shared_ptr<nn::KernelRunner> make_kernel_runner(const char*, at::Device) { return nullptr; }

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
