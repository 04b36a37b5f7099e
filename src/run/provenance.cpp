#include "run/provenance_json.h"
#include "run/revision.h"

#include <fstream>

#include <torch/headeronly/version.h>

#include <ufo/base/error.h>
#include <ufo/base/parallel.h>

namespace ufo::run {
namespace {

/// Calls field(name, member) for every member.
template <class Self, class Visitor>
void describe(Self& self, Visitor&& field) {
  field("seed", self.seed);
  field("version", self.version);
  field("revision", self.revision);
  field("libtorch", self.libtorch);
  field("device", self.device);
  field("hardware", self.hardware);
  field("threads", self.threads);
  field("processes", self.processes);
  field("dataset_root", self.dataset_root);
  field("mean", self.mean);
  field("deviation", self.deviation);
  field("notes", self.notes);
}

}  // namespace

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

Provenance provenance_of_program(int64_t seed, at::Device device, const std::string& hardware) {
  return {.seed = seed,
          .version = kVersion,
          .revision = kRevision,
          .libtorch = TORCH_VERSION,
          .device = device.str(),
          .hardware = hardware,
          .threads = task_threads()};
}

Json print_provenance(const Provenance& provenance) {
  Json json = Json::object();
  describe(provenance, [&](const char* name, const auto& member) { json[name] = member; });
  return json;
}

Provenance read_provenance(const Json& json, const std::string& origin) {
  if (!json.is_object()) {
    throw ConfigError("config: provenance in " + origin + ": need an object, got " + brief(json));
  }
  Provenance provenance;
  describe(provenance, [&](const char* name, auto& member) {
    if (!json.contains(name) || json[name].is_null()) {
      return;
    }
    try {
      member = json[name].get<std::decay_t<decltype(member)>>();
    } catch (const Json::exception&) {
      const Json like = member;
      throw ConfigError("config: provenance." + std::string(name) + " in " + origin + ": need " +
                        (like.is_array() ? "an " : "a ") + like.type_name() + ", got " + brief(json[name]));
    }
  });
  return provenance;
}

}  // namespace ufo::run
