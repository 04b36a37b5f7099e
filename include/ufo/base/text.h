#pragma once

#include <charconv>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>

namespace ufo {

/// printf into a string.
[[gnu::format(printf, 1, 2)]] inline std::string text(const char* format, ...) {
  std::va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  std::string result(static_cast<size_t>(std::vsnprintf(nullptr, 0, format, arguments)), '\0');
  std::vsnprintf(result.data(), result.size() + 1, format, again);
  va_end(again);
  va_end(arguments);
  return result;
}

/// "3.4 s", "36 s", "12 min 25 s", "3 h 20 min": a duration in words; "unknown" where it is not finite.
std::string duration_text(double seconds);

/// The shortest text that reads back as the same number; "nan" and "inf" as they are.
template <class Number>
std::string exact_text(Number value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

/// "60,000".
std::string grouped(int64_t number);

}  // namespace ufo
