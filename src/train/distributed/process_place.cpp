#include <charconv>
#include <cstdlib>

#include <ufo/base/error.h>
#include <ufo/train/distributed/process_group.h>

namespace ufo::train {
namespace {

constexpr int64_t kMostProcesses = 1'000'000;
constexpr int64_t kLargestPort = 65535;

class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  bool has(const char* name) const { return environment_(name).has_value(); }

  std::string text(const char* name) const {
    const auto value = environment_(name);
    if (!value || value->empty()) {
      throw ConfigError(std::string("environment: need ") + name + " for training in several processes, " +
                        (value ? "it is empty" : "it is not set"));
    }
    return *value;
  }

  int64_t number(const char* name, int64_t least, int64_t most) const {
    const std::string value = text(name);
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || number < least || number > most) {
      throw ConfigError(std::string("environment: ") + name + ": need a whole number from " +
                        std::to_string(least) + " to " + std::to_string(most) + ", got \"" + value + "\"");
    }
    return number;
  }

  int64_t number_or(int64_t otherwise, const char* name, int64_t least, int64_t most) const {
    return has(name) ? number(name, least, most) : otherwise;
  }

 private:
  const Environment& environment_;
};

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

ProcessPlace find_place(const Environment& environment) {
  const Variables variables(environment);
  ProcessPlace place;
  if (variables.has("RANK") || variables.has("WORLD_SIZE")) {
    place.size = variables.number("WORLD_SIZE", 1, kMostProcesses);
    place.rank = variables.number("RANK", 0, place.size - 1);
    place.local_size = variables.number_or(1, "LOCAL_WORLD_SIZE", 1, place.size);
    place.local_rank = variables.number_or(
        0, "LOCAL_RANK", 0, (variables.has("LOCAL_WORLD_SIZE") ? place.local_size : place.size) - 1);
  } else if (variables.has("MASTER_ADDR") && variables.has("SLURM_PROCID")) {
    place.size = variables.number("SLURM_NTASKS", 1, kMostProcesses);
    place.rank = variables.number("SLURM_PROCID", 0, place.size - 1);
    place.local_rank = variables.number("SLURM_LOCALID", 0, place.size - 1);
  }
  if (place.size == 1) {
    return place;
  }
  place.address = variables.text("MASTER_ADDR");
  place.port = variables.number("MASTER_PORT", 1, kLargestPort);
  place.hosted = environment("TORCHELASTIC_USE_AGENT_STORE") == "True";
  return place;
}

ProcessPlace find_place() { return find_place(variable); }

}  // namespace ufo::train
