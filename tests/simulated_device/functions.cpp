// The device in the place of the program's library for CUDA.

#include "../../src/train/cuda/interface.h"
#include "graph.h"
#include "group.h"
#include "simulated_device.h"

namespace ufo::simulated {
namespace {

std::string device_name(int) { return "simulated device"; }

}  // namespace

extern "C" __attribute__((visibility("default"))) const train::cuda::Functions* ufo_cuda_functions() {
  static constexpr train::cuda::Functions functions{.device_type = kType,
                                                    .cuda_version = 13000,
                                                    .device_name = device_name,
                                                    .make_graph_pool = make_graph_pool,
                                                    .make_nccl_group = make_group};
  start();
  return &functions;
}

}  // namespace ufo::simulated
