#pragma once

#include <chrono>
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace ufo::simulated {

/// The processes' group in the place of NCCL's: sums of the device's tensors, by Gloo.
c10::intrusive_ptr<c10d::Backend> make_group(const c10::intrusive_ptr<c10d::Store>& store, int64_t rank,
                                             int64_t size, at::Device device,
                                             std::chrono::milliseconds timeout);

}  // namespace ufo::simulated
