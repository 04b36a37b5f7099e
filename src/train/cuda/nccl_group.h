#pragma once

#include "cuda/interface.h"

#include <chrono>

namespace ufo::train::cuda {

/// NCCL's process group of `size` processes for tensors on the CUDA device `device` of this process, whose
/// collectives may take `timeout`. Only where the library was built with NCCL's header. Throws ConfigError
/// where LibTorch was built with another NCCL.
c10::intrusive_ptr<c10d::Backend> make_nccl_group(const c10::intrusive_ptr<c10d::Store>& store, int64_t rank,
                                                  int64_t size, at::Device device,
                                                  std::chrono::milliseconds timeout);

}  // namespace ufo::train::cuda
