#pragma once

#include <array>
#include <memory>

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

namespace ufo::nn {

/// Runs the kernels src/nn/cuda/kernel_*.cuh on the current device. Layers on devices of a type that has a
/// runner use them; the others are made of ATen's operations.
class KernelRunner {
 public:
  virtual ~KernelRunner() = default;

  /// Launches the kernel called `name`, with REAL the type of `real` (kFloat or kDouble), on the current
  /// stream: `grid` blocks of `threads` threads. `arguments` point at its parameters, in their order.
  virtual void launch(const char* name, c10::ScalarType real, std::array<int64_t, 3> grid, int64_t threads,
                      void** arguments) = 0;
};

/// The runner for all devices of `type` from now on; nullptr for none.
void set_kernel_runner(c10::DeviceType type, std::shared_ptr<KernelRunner> runner);

/// Whether devices of `type` have a runner.
bool has_kernel_runner(c10::DeviceType type);

/// The kernels' source, which begins with what it is told by the host.
const char* kernel_source();

}  // namespace ufo::nn
