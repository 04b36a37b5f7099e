#pragma once

#include <functional>
#include <memory>
#include <string>

#include <ufo/nn/kernel_runner.h>

namespace ufo::nn {

/// Runs the kernels for CUDA devices on the processor: a block after the other, its threads as fibers that
/// take turns at each barrier.
struct Emulation {
  /// Where the processor finds what lies at an address of the device.
  std::function<const void*(const void*)> find = [](const void* address) { return address; };

  /// Does a launch, or keeps it to do it again and again; `signature` tells its name and numbers, but for
  /// addresses.
  std::function<void(std::function<void()> kernel, const std::string& signature)> launch =
      [](const std::function<void()>& kernel, const std::string&) { kernel(); };
};
std::shared_ptr<KernelRunner> emulated_kernels(Emulation emulation = {});

}  // namespace ufo::nn
