#include "cuda/graph.h"
#include "cuda/kernel_runner.h"
#include "cuda/nccl_group.h"

#include <cuda_runtime_api.h>

namespace ufo::train::cuda {
namespace {

std::string device_name(int index) {
  cudaDeviceProp properties;
  return cudaGetDeviceProperties(&properties, index) == cudaSuccess ? properties.name : "unknown";
}

#ifdef UFO_NCCL
constexpr auto* kMakeNcclGroup = make_nccl_group;
#else
constexpr decltype(Functions::make_nccl_group) kMakeNcclGroup = nullptr;
#endif

}  // namespace

extern "C" __attribute__((visibility("default"))) const Functions* ufo_cuda_functions() {
  static constexpr Functions functions{.device_type = at::kCUDA,
                                       .cuda_version = CUDART_VERSION,
                                       .device_name = device_name,
                                       .make_graph_pool = make_graph_pool,
                                       .make_kernel_runner = make_kernel_runner,
                                       .make_nccl_group = kMakeNcclGroup};
  return &functions;
}

}  // namespace ufo::train::cuda
