#include "cuda/library.h"

#include <charconv>

#include <ATen/Context.h>
#include <ATen/detail/AcceleratorHooksInterface.h>

#include <ufo/base/error.h>
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

}  // namespace

at::Device parse_device(const std::string& name, int64_t local_rank) {
  if (name == "cpu") {
    return at::kCPU;
  }
  int64_t index = local_rank;
  const std::string prefix = "cuda:";
  const auto [end, error] =
      std::from_chars(name.data() + std::min(prefix.size(), name.size()), name.data() + name.size(), index);
  const bool numbered = name.starts_with(prefix) && error == std::errc() && end == name.data() + name.size();
  if (name != "auto" && name != "cuda" && (!numbered || index < 0)) {
    throw ConfigError("device: need auto, cpu, cuda or cuda:N, got \"" + name + "\"");
  }
  if (!cuda::why_outdated().empty()) {  // by "auto" too: nobody means to leave a GPU unused
    throw ConfigError("device: " + cuda::why_outdated());
  }
  const int found = count_devices();
  if (name == "auto" && found == 0) {
    return at::kCPU;
  }
  if (index >= found) {
    throw ConfigError("device: need cuda:" + std::to_string(index) + ", found " +
                      (cuda::functions() == nullptr ? "none: " + cuda::why_missing()
                                                    : std::to_string(found) + " CUDA devices"));
  }
  const at::DeviceType type = cuda::functions()->device_type;
  at::globalContext().lazyInitDevice(type);  // before it the allocator knows of no device
  return at::Device(type, static_cast<c10::DeviceIndex>(index));
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

void set_precision(const std::string& name) {
  if (name != "float32" && name != "tf32") {
    throw ConfigError("precision: need one of float32, tf32, got \"" + name + "\"");
  }
  at::globalContext().setAllowTF32CuBLAS(name == "tf32");
  at::globalContext().setAllowTF32CuDNN(name == "tf32");
  at::globalContext().setDeterministicCuDNN(true);
}

bilevel::Engine parse_engine(const std::string& name) {
  if (name == "auto" || name == "hand_written") {
    return bilevel::Engine::hand_written;
  }
  if (name == "autograd") {
    return bilevel::Engine::autograd;
  }
  throw ConfigError("engine: need one of auto, hand_written, autograd, got \"" + name + "\"");
}

bilevel::ClassificationProblem make_problem(const bilevel::Learner& learner,
                                            const episode::EpisodeBatch& batch, const at::Tensor& theta,
                                            bilevel::Engine engine) {
  const auto images = [&](const at::Tensor& tensor) {
    return tensor.to(theta.device(), theta.scalar_type());
  };
  const auto labels = [&](const at::Tensor& tensor) { return tensor.to(theta.device()); };
  return {learner.rates->uniform() ? learner : learner.to(theta.options()),
          images(batch.support_images),
          labels(batch.support_labels),
          images(batch.query_images),
          labels(batch.query_labels),
          engine};
}

}  // namespace ufo::train
