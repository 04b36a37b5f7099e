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

}  // namespace ufo
