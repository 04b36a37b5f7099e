#pragma once

#include <array>
#include <cstdint>

namespace ufo::nn {

/// The parts of the CPU engine's work.
enum class Part { convolution, normalisation, head, transposition };

inline constexpr std::array<const char*, 4> kPartNames = {"convolution", "normalisation and pooling",
                                                          "linear and loss", "transposed weights"};

/// What the CPU engine did between start_profile() and stop_profile(), all threads together.
struct Profile {
  std::array<double, 4> seconds{};      ///< by Part
  double convolution_flops = 0;         ///< two a multiply-add, without the transforms of images and weights
  double direct_convolution_flops = 0;  ///< of the same convolutions by the definition, without padding
};

/// Begins to measure. Costs well under a percent of the engine's time.
void start_profile();

/// Ends it and gives the sums.
Profile stop_profile();

}  // namespace ufo::nn
