#pragma once

#include <stdexcept>
#include <string_view>

#include <nlohmann/json.hpp>

namespace ufo {

/// What is wrong with a text that should be JSON: "line 3, column 5: ..." or "outer.steps stands twice".
class JsonFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The most objects and lists within one another, far more than any file here needs: what walks over a value
/// takes the stack.
inline constexpr int kDeepestJson = 64;

/// The value of `text`, whose objects keep the order of their keys. Throws JsonFault where it is no JSON (RFC
/// 8259), is nested deeper than kDeepestJson, or has a key twice in one object, of which the library would
/// silently keep the last.
nlohmann::ordered_json parse_json(std::string_view text);

}  // namespace ufo
