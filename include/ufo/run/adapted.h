#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/nn/network.h>
#include <ufo/run/options.h>

namespace ufo::run {

// N classes, S support images of H x W pixels and C channels, P parameters.

/// A run adapted to a support set: all that classifying images of its classes needs, and no data set.
struct Adapted {
  RunOptions options;                    ///< of the run
  std::vector<std::string> class_names;  ///< sorted, N
  std::vector<float> mean, deviation;    ///< of the images, [C]
  at::Tensor support_pixels;             ///< [S, H, W, C] uint8: batch norm may take their statistics
  at::Tensor parameters;                 ///< [P] after the inner loop
};

/// The network of the run `options` for images of `channels` channels and `ways` classes.
/// Throws ConfigError as nn::make_network does.
std::unique_ptr<nn::Network> make_network(const RunOptions& options, int64_t channels, int64_t ways);

/// The network that adapted.parameters are of.
std::unique_ptr<nn::Network> make_network(const Adapted& adapted);

/// Writes `adapted` atomically as safetensors: the parameters under PyTorch's names, `support.pixels`, and
/// the rest in the metadata. Throws UserError where the file cannot be written.
void save_adapted(const std::filesystem::path& path, const Adapted& adapted);

/// Reads such a file onto the CPU. Throws DataError where it is missing or damaged, was not written by
/// save_adapted, or its parts do not fit one another; ConfigError where its config is none.
Adapted load_adapted(const std::filesystem::path& path);

}  // namespace ufo::run
