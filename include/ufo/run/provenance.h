#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::run {

/// What a run was made by, on and from; config.json keeps it beside the options. A string or list is empty, a
/// number 0, where it was not recorded.
struct Provenance {
  int64_t seed = 0;
  std::string version;       ///< of UFO-MAML
  std::string revision;      ///< of its git repository when it was built, "+changes" where files differed;
                             ///< or "unknown"
  std::string libtorch;      ///< version
  std::string device;        ///< e.g. "cpu" or "cuda:0"
  std::string hardware;      ///< the processor's or GPU's name
  int64_t threads = 0;       ///< that the tasks of a meta-batch are shared among
  int64_t processes = 0;     ///< that trained together
  std::string dataset_root;  ///< where the data set was found, absolute
  std::vector<float> mean;   ///< of the data set, by which its images are normalised: one a channel
  std::vector<float> deviation;    ///< likewise
  std::vector<std::string> notes;  ///< Dataset::notes
};

/// The name of this machine's processor; "unknown" where the system does not say.
std::string processor_name();

/// What made this program and runs it: all but `processes` and what concerns a data set. It computes on
/// `device`, a piece of `hardware`.
Provenance provenance_of_program(int64_t seed, at::Device device, const std::string& hardware);

}  // namespace ufo::run
