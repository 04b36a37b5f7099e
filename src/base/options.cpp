#include <algorithm>
#include <cmath>

#include <ufo/base/error.h>
#include <ufo/base/options.h>
#include <ufo/base/text.h>

namespace ufo {

std::string to_string(const Range& range) {
  std::string text;
  if (!range.words.empty() || !range.numbers.empty()) {
    const auto add = [&](const std::string& item) { text += (text.empty() ? "one of " : ", ") + item; };
    std::for_each(range.words.begin(), range.words.end(), add);
    std::for_each(range.numbers.begin(), range.numbers.end(),
                  [&](double number) { add(exact_text(number)); });
    return text;
  }
  if (std::isfinite(range.minimum)) {
    text += (range.exclusive_minimum ? "above " : "at least ") + exact_text(range.minimum);
  }
  if (std::isfinite(range.maximum)) {
    text += (text.empty() ? "at most " : " and at most ") + exact_text(range.maximum);
  }
  return text;
}

void check_range(std::string_view path, double value, const Range& range) {
  if (!range.contains(value)) {  // also refuses NaN
    throw ConfigError(std::string(path) + ": need " + to_string(range) + ", got " + exact_text(value));
  }
}

void check_range(std::string_view path, const std::string& value, const Range& range) {
  if (!range.words.empty() && std::find(range.words.begin(), range.words.end(), value) == range.words.end()) {
    throw ConfigError(std::string(path) + ": need " + to_string(range) + ", got \"" + value + "\"");
  }
}

}  // namespace ufo
