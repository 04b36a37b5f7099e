#pragma once

#include <array>

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <ufo/nn/kernel_runner.h>

namespace ufo::nn::cuda {

using REAL = void;  // of a type that the kernels alone know
#include "kernel_arguments.cuh"

/// The runner for the device of x; nullptr where there is none.
KernelRunner* runner_for(const at::Tensor& x);

/// Launches a kernel on the device of `of` for numbers of its dtype.
template <class... Arguments>
void launch(const at::Tensor& of, const char* name, std::array<int64_t, 3> grid, int64_t threads,
            Arguments... arguments) {
  const c10::DeviceGuard guard(of.device());
  void* pointers[] = {&arguments...};
  runner_for(of)->launch(name, of.scalar_type(), grid, threads, pointers);
}

}  // namespace ufo::nn::cuda
