#include "run/options_json.h"
#include "run/provenance_json.h"
#include "run/revision.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include <torch/headeronly/version.h>

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

// What JSON must hold to become a member, and whether it does.
const char* need_of(const int64_t&) { return "an integer"; }
const char* need_of(const std::string&) { return "a string"; }
const char* need_of(const std::vector<float>&) { return "a list of numbers"; }
const char* need_of(const std::vector<std::string>&) { return "a list of strings"; }

bool fits(const Json& json, const int64_t&) { return json.is_number_integer(); }
bool fits(const Json& json, const std::string&) { return json.is_string(); }
bool fits(const Json& json, const std::vector<float>&) {
  return json.is_array() && std::all_of(json.begin(), json.end(), [](const Json& item) {
           return item.is_number() && std::abs(item.get<double>()) <= std::numeric_limits<float>::max();
         });
}
bool fits(const Json& json, const std::vector<std::string>&) {
  return json.is_array() &&
         std::all_of(json.begin(), json.end(), [](const Json& item) { return item.is_string(); });
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
  const Place place{"provenance", origin};
  if (!json.is_object()) {
    place.refuse("an object", json);
  }
  Provenance provenance;
  describe(provenance, [&](const char* name, auto& member) {
    if (!json.contains(name) || json[name].is_null()) {
      return;
    }
    if (!fits(json[name], member)) {
      place.child(name).refuse(need_of(member), json[name]);
    }
    member = json[name].get<std::decay_t<decltype(member)>>();
  });
  return provenance;
}

}  // namespace ufo::run
