#include "run/json.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include <ufo/base/error.h>

namespace ufo::run {
namespace {

/// Watches a parse for keys that stand twice: the library would silently keep the last.
class DuplicateWatch {
 public:
  explicit DuplicateWatch(std::string origin) : origin_(std::move(origin)) {}

  bool operator()(int, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      objects_.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      objects_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      Object& object = objects_.back();
      object.current = parsed.get<std::string>();
      if (!object.keys.insert(object.current).second) {
        throw ConfigError("config: " + path() + " stands twice in " + origin_);
      }
    }
    return true;
  }

 private:
  struct Object {
    std::set<std::string> keys;
    std::string current;
  };

  std::string path() const {
    std::string path;
    for (const Object& object : objects_) {
      path += (path.empty() ? "" : ".") + object.current;
    }
    return path;
  }

  std::string origin_;
  std::vector<Object> objects_;
};

/// The library's message without its name and number: "line 3, column 5: syntax error ...".
std::string plain(const std::string& message) {
  for (const std::string prefix : {"parse error at ", "parse error: ", "] "}) {
    if (const size_t at = message.find(prefix); at != std::string::npos) {
      return message.substr(at + prefix.size());
    }
  }
  return message;
}

}  // namespace

Json parse_json(const std::string& text, const std::string& origin) {
  try {
    return Json::parse(text, DuplicateWatch(origin));
  } catch (const Json::exception& error) {
    throw ConfigError("config: " + origin + ": " + plain(error.what()));
  }
}

Json read_json_file(const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& reason) {
    throw ConfigError("config: cannot read " + file.string() + ": " + reason);
  };
  if (std::filesystem::is_directory(file)) {
    refuse("it is a folder");
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    refuse(std::strerror(errno));
  }
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  if (stream.bad()) {
    refuse(std::strerror(errno));
  }
  return parse_json(text, file.string());
}

std::string brief(const Json& value) {
  constexpr size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kLongest ? text : text.substr(0, kLongest - 3) + "...";
}

}  // namespace ufo::run
