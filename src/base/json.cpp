#include "base/json.h"

#include <set>
#include <string>
#include <vector>

#include <ufo/base/printable.h>

namespace ufo {
namespace {

using Json = nlohmann::ordered_json;

/// Watches a parse.
class Watch {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        objects_.emplace_back();
        check(depth);
        break;
      case Json::parse_event_t::array_start:
        check(depth);
        break;
      case Json::parse_event_t::object_end:
        objects_.pop_back();
        break;
      case Json::parse_event_t::key:
        objects_.back().current = parsed.get<std::string>();
        if (!objects_.back().keys.insert(objects_.back().current).second) {
          throw JsonFault(path() + " stands twice");
        }
        break;
      default:
        break;
    }
    return true;
  }

 private:
  struct Object {
    std::set<std::string> keys;
    std::string current;
  };

  static void check(int depth) {
    if (depth >= kDeepestJson) {
      throw JsonFault("need at most " + std::to_string(kDeepestJson) + " levels, got more");
    }
  }

  std::string path() const {
    std::string path;
    for (const Object& object : objects_) {
      path += (path.empty() ? "" : ".") + object.current;
    }
    return printable(path);
  }

  std::vector<Object> objects_;
};

/// The library's message without its name and number: "line 3, column 5: syntax error ...".
std::string plain(const std::string& message) {
  for (const std::string prefix : {"parse error at ", "parse error: ", "] "}) {
    if (const size_t at = message.find(prefix); at != std::string::npos) {
      return printable(message.substr(at + prefix.size()));
    }
  }
  return printable(message);
}

}  // namespace

Json parse_json(std::string_view text) {
  try {
    return Json::parse(text, Watch());
  } catch (const Json::exception& error) {
    throw JsonFault(plain(error.what()));
  }
}

}  // namespace ufo
