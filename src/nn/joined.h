#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ufo::nn {

/// "64-160-320-640" for a separator of "-".
inline std::string joined(const std::vector<int64_t>& numbers, const char* separator) {
  std::string result;
  for (const int64_t number : numbers) {
    result.append(result.empty() ? "" : separator).append(std::to_string(number));
  }
  return result;
}

}  // namespace ufo::nn
