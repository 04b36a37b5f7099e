#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <ufo/base/options.h>

namespace ufo {

/// Where to compute, as configs and the command line say it.
struct DeviceChoice {
  enum class Kind { automatic, cpu, cuda };

  Kind kind = Kind::automatic;
  std::optional<int64_t> number = {};  ///< of the CUDA device; none: left to whoever looks for it

  bool operator==(const DeviceChoice&) const = default;
};

/// The words for devices, for messages and help.
inline constexpr const char* kDeviceWords = "auto, cpu, cuda or cuda:N";

/// What "auto", "cpu", "cuda" or "cuda:N", N of at most three digits, asks for; none for another word.
std::optional<DeviceChoice> parse_device(std::string_view word);

/// The word for `device`.
std::string to_string(const DeviceChoice& device);

inline void check_range(std::string_view, const DeviceChoice&, const Range&) {}

}  // namespace ufo
