#include <algorithm>

#include <ufo/base/device.h>

namespace ufo {

std::optional<DeviceChoice> parse_device(std::string_view word) {
  using Kind = DeviceChoice::Kind;
  for (const DeviceChoice& device : {DeviceChoice{}, DeviceChoice{Kind::cpu}, DeviceChoice{Kind::cuda}}) {
    if (word == to_string(device)) {
      return device;
    }
  }
  constexpr std::string_view kPrefix = "cuda:";
  if (!word.starts_with(kPrefix)) {
    return std::nullopt;
  }
  word.remove_prefix(kPrefix.size());
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (word.empty() || word.size() > 3 || !std::all_of(word.begin(), word.end(), is_digit)) {
    return std::nullopt;
  }
  return DeviceChoice{Kind::cuda, std::stoll(std::string(word))};
}

std::string to_string(const DeviceChoice& device) {
  switch (device.kind) {
    case DeviceChoice::Kind::automatic:
      return "auto";
    case DeviceChoice::Kind::cpu:
      return "cpu";
    case DeviceChoice::Kind::cuda:
      break;
  }
  return device.number ? "cuda:" + std::to_string(*device.number) : "cuda";
}

}  // namespace ufo
