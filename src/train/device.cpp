#include "cuda/library.h"

#include <cstdlib>
#include <utility>

#include <ATen/Context.h>
#include <ATen/detail/AcceleratorHooksInterface.h>

#include <ufo/base/error.h>
#include <ufo/base/logging.h>
#include <ufo/base/reason.h>
#include <ufo/nn/kernel_runner.h>
#include <ufo/run/provenance.h>
#include <ufo/train/device.h>

namespace ufo::train {
namespace {

int count_devices() {
  const cuda::Functions* const functions = cuda::functions();
  return functions == nullptr
             ? 0
             : at::globalContext().getAcceleratorHooksInterface(functions->device_type).deviceCount();
}

/// Layers on `device` use the program's own kernels from now on, unless the environment asks for a form of
/// ATen's convolutions (nn/layers/convolution_at.h) or they cannot be compiled.
void use_kernels(at::Device device) {
  static bool done = false;  // kernels are compiled once
  if (std::exchange(done, true) || std::getenv("UFO_CONVOLUTION") != nullptr) {
    return;
  }
  try {
    nn::set_kernel_runner(device.type(), cuda::functions()->make_kernel_runner(nn::kernel_source(), device));
  } catch (const std::exception& error) {
    log(LogLevel::warning,
        "layers are made of ATen's operations, which is slower, as the program's own kernels "
        "cannot be compiled: " +
            reason(error));
  }
}

}  // namespace

at::Device find_device(const DeviceChoice& choice, int64_t local_rank) {
  if (choice.kind == DeviceChoice::Kind::cpu) {
    return at::kCPU;
  }
  if (!cuda::why_outdated().empty()) {  // by "auto" too: nobody means to leave a GPU unused
    throw ConfigError("device: " + cuda::why_outdated());
  }
  const int found = count_devices();
  if (choice.kind == DeviceChoice::Kind::automatic && found == 0) {
    return at::kCPU;
  }
  const int64_t index = choice.number.value_or(local_rank);
  if (index >= found) {
    throw ConfigError("device: need cuda:" + std::to_string(index) + ", found " +
                      (cuda::functions() == nullptr ? "none: " + cuda::why_missing()
                                                    : std::to_string(found) + " CUDA devices"));
  }
  const at::DeviceType type = cuda::functions()->device_type;
  at::globalContext().lazyInitDevice(type);  // before it the allocator knows of no device
  const at::Device device(type, static_cast<c10::DeviceIndex>(index));
  use_kernels(device);
  return device;
}

GraphPoolMaker graph_pool_maker(at::Device device) {
  if (device.is_cpu()) {
    return {};
  }
  return [device] { return cuda::functions()->make_graph_pool(device); };
}

std::string hardware_name(at::Device device) {
  return device.is_cpu() ? run::processor_name() : cuda::functions()->device_name(device.index());
}

void set_precision(run::Precision precision) {
  const bool tf32 = precision == run::Precision::tf32;
  at::globalContext().setAllowTF32CuBLAS(tf32);
  at::globalContext().setAllowTF32CuDNN(tf32);
  at::globalContext().setDeterministicCuDNN(true);
}

bilevel::ClassificationProblem make_problem(const bilevel::Learner& learner,
                                            const episode::EpisodeBatch& batch, const at::Tensor& theta,
                                            bilevel::Engine engine) {
  const auto images = [&](const at::Tensor& tensor) {
    return tensor.to(theta.device(), theta.scalar_type());
  };
  const auto labels = [&](const at::Tensor& tensor) { return tensor.to(theta.device()); };
  return {learner.to(theta.options()), images(batch.support_images), labels(batch.support_labels),
          images(batch.query_images),  labels(batch.query_labels),   engine};
}

}  // namespace ufo::train
