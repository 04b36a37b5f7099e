#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace ufo::cli {

/// Counts the bytes of tensors on `device`; the peak is that from the latest call on. On the CPU it puts
/// itself between ATen and its allocator for the rest of the process; CUDA's allocator counts by itself.
void start_allocation_meter(at::Device device);

/// The largest number of bytes that were alive at once since the meter was started.
int64_t peak_tensor_bytes(at::Device device);

/// The largest resident memory of this process so far, in bytes.
int64_t peak_resident_bytes();

}  // namespace ufo::cli
