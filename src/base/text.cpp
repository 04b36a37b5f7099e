#include <algorithm>
#include <cmath>

#include <ufo/base/text.h>

namespace ufo {

std::string grouped(int64_t number) {
  const std::string digits = std::to_string(number);
  const size_t first = number < 0 ? 1 : 0;
  std::string result;
  for (size_t i = 0; i < digits.size(); ++i) {
    const bool third = i > first && (digits.size() - i) % 3 == 0;
    result += third ? "," : "";
    result += digits[i];
  }
  return result;
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) {
    return "unknown";
  }
  const long long whole = std::llround(std::clamp(seconds, 0.0, 1e12));
  if (whole < 10) {
    return text("%.1f s", std::max(seconds, 0.0));
  }
  if (whole < 60) {
    return text("%lld s", whole);
  }
  if (whole < 3600) {
    return text("%lld min %02lld s", whole / 60, whole % 60);
  }
  return text("%lld h %02lld min", whole / 3600, whole / 60 % 60);
}

}  // namespace ufo
