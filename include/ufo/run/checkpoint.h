#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/nn/layout.h>

namespace ufo::run {

// P parameters.

/// What a validation found.
struct Validated {
  int64_t step = 0;     ///< outer steps before it
  double accuracy = 0;  ///< mean over its episodes

  bool operator==(const Validated&) const = default;
};

/// All that a run needs to go on as if it had never stopped. Episodes and coins are functions of the step, so
/// the step is the sampler's position too.
struct Checkpoint {
  at::Tensor parameters;                        ///< [P]
  std::map<std::string, at::Tensor> optimizer;  ///< OuterOptimizer::state(): tensors [P] or of no dimension
  int64_t step = 0;                             ///< outer steps done
  double gradient_calls = 0;                    ///< that they cost, by their arithmetic
  std::vector<Validated> best;                  ///< the best validations so far, the best one first
  bool validation_due = false;                  ///< the validation of this step was broken off
  /// What an adaptive estimator has learned; empty for the others.
  std::map<std::string, double> estimator_state;
  /// The resolved config as JSON: options alone, nothing that differs between two equal runs.
  std::string config;
};

/// Writes `checkpoint` atomically as safetensors: the parameters under their names in `layout`, the
/// optimizer's tensors as `optimizer.<state>.<name>` (`optimizer.<state>` for those of no dimension), and the
/// rest, exact to the last bit, in the metadata. The same checkpoint gives the same bytes. Throws
/// std::invalid_argument where a tensor does not fit `layout`, UserError where the file cannot be written.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint,
                     const nn::Layout& layout);

/// Reads a checkpoint, or any safetensors file with the parameters of `layout`, onto the CPU: what such a
/// file lacks keeps its default. Parameters come back as float32. Throws DataError where the file is missing
/// or damaged, has a number that is not finite or out of range, or holds another model: then it names the
/// first parameter that disagrees, and both shapes.
Checkpoint load_checkpoint(const std::filesystem::path& path, const nn::Layout& layout);

/// The bytes of the file that save_checkpoint writes, and the checkpoint of such bytes, which messages call
/// `origin`. They throw as save_checkpoint and load_checkpoint do.
std::string to_bytes(const Checkpoint& checkpoint, const nn::Layout& layout);
Checkpoint parse_checkpoint(std::string_view bytes, const std::filesystem::path& origin,
                            const nn::Layout& layout);

/// The best validations of the run that wrote the checkpoint `path`, as Checkpoint::best.
/// Throws DataError where the file is missing or damaged.
std::vector<Validated> checkpoint_ranking(const std::filesystem::path& path);

/// The resolved config of the run that wrote the checkpoint `path`, enough to build its network.
/// Throws DataError where the file is missing, damaged or has none.
std::string checkpoint_config(const std::filesystem::path& path);

}  // namespace ufo::run
