#include "report/html.h"

#include <cstdio>

namespace ufo::report {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
        result += control ? '?' : c;
    }
  }
  return result;
}

std::string element(const std::string& name, const std::string& content, const std::string& attributes) {
  return joined("<", name, attributes.empty() ? "" : " ", attributes, ">", content, "</", name, ">");
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace ufo::report
