#pragma once

#include <memory>

#include <ufo/nn/kernel_runner.h>

namespace ufo::nn {

/// Runs the kernels for CUDA devices on the processor, on tensors in its memory: a block after the other, its
/// threads as fibers that take turns at each barrier.
std::shared_ptr<KernelRunner> emulated_kernels();

}  // namespace ufo::nn
