#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace ufo::train::cuda {

/// Work on the current CUDA stream that is recorded once and then replayed by one call.
class Graph {
 public:
  virtual ~Graph() = default;

  /// From here to end() what is launched on the current stream is recorded, not done.
  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void replay() = 0;
};

/// What needs CUDA's libraries at the program's linking. It lies in a shared library of its own,
/// libufo_cuda.so, that is opened where a CUDA device is asked for: one program serves machines with and
/// without CUDA.
struct Functions {
  std::string (*device_name)(int index);
  std::unique_ptr<Graph> (*make_graph)();

  /// A group of c10d's over NCCL; nullptr where the library was built without NCCL's header.
  c10::intrusive_ptr<c10d::Backend> (*make_nccl_group)(const c10::intrusive_ptr<c10d::Store>& store,
                                                       int64_t rank, int64_t size, at::Device device,
                                                       std::chrono::milliseconds timeout);
};

/// The name of the library's one symbol, and its type.
inline constexpr const char* kFunctionsSymbol = "ufo_cuda_functions";
using GetFunctions = const Functions*();

}  // namespace ufo::train::cuda
