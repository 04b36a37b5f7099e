#include <algorithm>
#include <cmath>
#include <sstream>

#include <ufo/base/error.h>
#include <ufo/base/options.h>

namespace ufo {

std::string to_string(const Range& range) {
  std::ostringstream text;
  const auto list = [&](const auto& items) {
    text << "one of ";
    for (size_t i = 0; i < items.size(); ++i) {
      text << (i ? ", " : "") << items[i];
    }
    return text.str();
  };
  if (!range.words.empty()) {
    return list(range.words);
  }
  if (!range.numbers.empty()) {
    return list(range.numbers);
  }
  if (std::isfinite(range.minimum)) {
    text << (range.exclusive_minimum ? "above " : "at least ") << range.minimum;
  }
  if (std::isfinite(range.maximum)) {
    text << (std::isfinite(range.minimum) ? " and " : "") << "at most " << range.maximum;
  }
  return text.str();
}

void check_range(std::string_view path, double value, const Range& range) {
  if (!range.contains(value)) {  // also refuses NaN
    std::ostringstream text;
    text << path << ": need " << to_string(range) << ", got " << value;
    throw ConfigError(text.str());
  }
}

void check_range(std::string_view path, const std::string& value, const Range& range) {
  if (!range.words.empty() && std::find(range.words.begin(), range.words.end(), value) == range.words.end()) {
    throw ConfigError(std::string(path) + ": need " + to_string(range) + ", got \"" + value + "\"");
  }
}

}  // namespace ufo
