#include "run/revision.h"

#include <fstream>

#include <torch/headeronly/version.h>

#include <ufo/base/parallel.h>
#include <ufo/run/run_facts.h>

namespace ufo::run {

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

RunFacts gather_run_facts(int64_t seed, at::Device device, const std::string& hardware) {
  return {.seed = seed,
          .version = kVersion,
          .revision = kRevision,
          .libtorch = TORCH_VERSION,
          .device = device.str(),
          .hardware = hardware,
          .threads = static_cast<int>(task_threads())};
}

}  // namespace ufo::run
