#include "cli/query_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

#include <ufo/base/error.h>
#include <ufo/base/text.h>

namespace ufo::cli {
namespace {

constexpr int64_t kBytesAtOnce = int64_t{512} << 20;

/// About the bytes that an image's activations take while it is classified; 1 where that is not known.
int64_t activation_bytes(const nn::Network& network) {
  return std::max<int64_t>(1, static_cast<int64_t>(sizeof(float)) * network.activations());
}

/// The memory that this machine can still give, in bytes; as much as there can be where it does not say.
int64_t free_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::string name;
    int64_t kibibytes = 0;
    if (std::istringstream(line) >> name >> kibibytes && name == "MemAvailable:") {
      return kibibytes << 10;
    }
  }
  return std::numeric_limits<int64_t>::max();
}

}  // namespace

int64_t images_at_once(const nn::Network& network) {
  return std::clamp<int64_t>(kBytesAtOnce / activation_bytes(network), 1, 256);
}

void check_memory_of_together(const nn::Network& network, int64_t size, int64_t count) {
  const auto need = static_cast<double>(count) * static_cast<double>(activation_bytes(network));
  const auto found = static_cast<double>(free_memory());
  if (need > found) {
    throw ConfigError(
        text("predict: --query: need about %.1f GB of memory for %lld images of %lldx%lld, whose "
             "batch statistics take them together, got %.1f GB free: give fewer, or train with "
             "model.batch_norm=support, which classifies a few at a time",
             need / 1e9, static_cast<long long>(count), static_cast<long long>(size),
             static_cast<long long>(size), found / 1e9));
  }
}

}  // namespace ufo::cli
