#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace ufo::run {

/// What a run was made by and on; config.json keeps it beside the options.
struct RunFacts {
  int64_t seed = 0;
  std::string version;  ///< of UFO-MAML
  std::string
      revision;  ///< of its git repository when it was built, "+changes" where files differed; or "unknown"
  std::string libtorch;  ///< version
  std::string device;    ///< e.g. "cpu" or "cuda:0"
  std::string hardware;  ///< the processor's or GPU's name
  int threads = 0;       ///< that the tasks of a meta-batch are shared among
};

/// The name of this machine's processor; "unknown" where the system does not say.
std::string processor_name();

/// The facts of this process, which computes on `device`, a piece of `hardware`.
RunFacts gather_run_facts(int64_t seed, at::Device device, const std::string& hardware);

}  // namespace ufo::run
