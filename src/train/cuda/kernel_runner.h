#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include <ufo/nn/kernel_runner.h>

namespace ufo::train::cuda {

/// Runs the kernels of nn::kernel_source() on `device`, compiled for it by NVRTC: in float at once, which
/// takes a few seconds, in double where they are first asked for. Throws std::runtime_error where there is
/// no NVRTC or it refuses the source.
std::shared_ptr<nn::KernelRunner> make_kernel_runner(const char* source, at::Device device);

}  // namespace ufo::train::cuda
