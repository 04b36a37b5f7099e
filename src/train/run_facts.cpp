#include "cuda/library.h"
#include "revision.h"

#include <fstream>

#include <torch/headeronly/version.h>

#include <ufo/base/parallel.h>
#include <ufo/train/run_facts.h>

namespace ufo::train {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      const size_t colon = line.find(": ");
      return colon == std::string::npos ? "unknown" : line.substr(colon + 2);
    }
  }
  return "unknown";
}

std::string hardware_name(at::Device device) {
  return device.is_cuda() ? cuda::functions()->device_name(device.index()) : processor_name();
}

}  // namespace

RunFacts gather_run_facts(int64_t seed, at::Device device) {
  return {.seed = seed,
          .version = kVersion,
          .revision = kRevision,
          .libtorch = TORCH_VERSION,
          .device = device.str(),
          .hardware = hardware_name(device),
          .threads = static_cast<int>(task_threads())};
}

}  // namespace ufo::train
