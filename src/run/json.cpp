#include "run/json.h"

#include "base/json.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <ufo/base/error.h>

namespace ufo::run {

Json parse_json(const std::string& text, const std::string& origin) {
  try {
    return ufo::parse_json(text);
  } catch (const JsonFault& fault) {
    throw ConfigError("config: " + origin + ": " + fault.what());
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
