#pragma once

#include <sstream>
#include <string>

namespace ufo::report {

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

/// `value` with `digits` after the point.
std::string fixed(double value, int digits);

}  // namespace ufo::report
