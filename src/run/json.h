#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace ufo::run {

/// JSON whose objects keep the order in which their keys were written.
using Json = nlohmann::ordered_json;

/// Parses `text`. Throws ConfigError, its message beginning "config: ORIGIN", for a syntax error (with line
/// and column), a key that stands twice in an object (with its path), more levels than kDeepestJson, and
/// numbers that are too large for a double.
Json parse_json(const std::string& text, const std::string& origin);

/// The JSON of a config file. Throws ConfigError where it cannot be read, and as parse_json does.
Json read_json_file(const std::filesystem::path& file);

/// `value` as one short line for a message.
std::string brief(const Json& value);

}  // namespace ufo::run
