#pragma once

#include <chrono>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace ufo::train {

/// NCCL's process group of `size` processes for tensors on the CUDA device `device` of this process, whose
/// collectives may take `timeout`. Only in a build with CUDA. Throws ConfigError where LibTorch was built
/// with another NCCL.
c10::intrusive_ptr<c10d::Backend> make_nccl_group(const c10::intrusive_ptr<c10d::Store>& store, int64_t rank,
                                                  int64_t size, at::Device device,
                                                  std::chrono::milliseconds timeout);

}  // namespace ufo::train
