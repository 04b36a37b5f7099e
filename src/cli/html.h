#pragma once

#include <cstdint>
#include <sstream>
#include <string>

namespace ufo::cli {

/// `text` as the content of an element or of a quoted attribute of HTML or SVG. Control characters, which XML
/// forbids, become "?".
std::string escaped(const std::string& text);

/// <name attributes>content</name>; `content` is markup already, and `attributes` as they stand in the tag.
std::string element(const std::string& name, const std::string& content, const std::string& attributes = "");

/// `parts` one after the other, as streams write them.
template <class... Parts>
std::string joined(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

/// "60,000".
std::string grouped(int64_t number);

/// `value` with `digits` after the point.
std::string fixed(double value, int digits);

}  // namespace ufo::cli
