#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include <ufo/nn/kernel_runner.h>
#include <ufo/train/graph.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace ufo::train::cuda {

/// What needs CUDA's libraries at the program's linking. It lies in a shared library of its own,
/// libufo_cuda.so, that is opened where a CUDA device is asked for: one program serves machines with and
/// without CUDA.
struct Functions {
  at::DeviceType device_type;  ///< of all devices that the library serves
  int cuda_version;            ///< that its driver must know, as CUDART_VERSION: 13000 is 13.0
  std::string (*device_name)(int index);
  std::unique_ptr<GraphPool> (*make_graph_pool)(at::Device device);

  /// Runs `source`, nn::kernel_source(), on the device; nullptr where layers are to be made of ATen's
  /// operations. Throws std::runtime_error where it cannot be compiled.
  std::shared_ptr<nn::KernelRunner> (*make_kernel_runner)(const char* source, at::Device device);

  /// A group of c10d's over NCCL; nullptr where the library was built without NCCL's header.
  c10::intrusive_ptr<c10d::Backend> (*make_nccl_group)(const c10::intrusive_ptr<c10d::Store>& store,
                                                       int64_t rank, int64_t size, at::Device device,
                                                       std::chrono::milliseconds timeout);
};

/// The name of the library's one symbol, and its type.
inline constexpr const char* kFunctionsSymbol = "ufo_cuda_functions";
using GetFunctions = const Functions*();

}  // namespace ufo::train::cuda
