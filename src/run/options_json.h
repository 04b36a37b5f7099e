#pragma once

#include "run/json.h"

#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <ufo/base/device.h>
#include <ufo/base/options.h>
#include <ufo/base/printable.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::run {

// Reading, printing and the JSON Schema of any option struct, all by walking its `describe`.

/// Where a value stands, for messages: its dotted path, the file or argument that holds it, and what that is.
struct Place {
  std::string path;
  std::string origin;
  std::string kind = "config";

  Place child(std::string_view name) const { return {joined(path, name), origin, kind}; }
  [[noreturn]] void refuse(const std::string& need, const Json& got) const;

  static std::string joined(const std::string& prefix, std::string_view name) {
    return prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
  }
};

/// Puts `json` into `value`. Throws ConfigError for a wrong type or a value out of `range`.
/// Integers may be written as 5.0 or 1e3; q of UFO is a number, "adaptive" or {"from": a, "to": b}; its base
/// is "first_order", "head" or a number of blocks.
void read_value(const Json& json, const Place& place, const Range& range, int64_t& value);
void read_value(const Json& json, const Place& place, const Range& range, double& value);
void read_value(const Json& json, const Place& place, const Range& range, bool& value);
void read_value(const Json& json, const Place& place, const Range& range, std::string& value);
void read_value(const Json& json, const Place& place, const Range& range, std::vector<int64_t>& value);
void read_value(const Json& json, const Place& place, const Range& range, DeviceChoice& value);
void read_value(const Json& json, const Place& place, const Range& range, bilevel::CoinProbability& value);
void read_value(const Json& json, const Place& place, const Range& range, bilevel::Base& value);
template <WordOption Enum>
void read_value(const Json& json, const Place& place, const Range& range, Enum& value) {
  std::string word;
  read_value(json, place, range, word);
  value = *value_of<Enum>(word);
}

/// The JSON of a value.
template <class Value>
Json print_value(const Value& value) {
  return value;
}
template <WordOption Enum>
Json print_value(const Enum& value) {
  return word_of(value);
}
inline Json print_value(const std::string& value) { return printable(value); }  // a path may not be UTF-8
inline Json print_value(const DeviceChoice& value) { return to_string(value); }
Json print_value(const bilevel::CoinProbability& value);
Json print_value(const bilevel::Base& value);

/// The schema of a value: its type and range.
Json value_schema(const int64_t& value, const Range& range);
Json value_schema(const double& value, const Range& range);
Json value_schema(const bool& value, const Range& range);
Json value_schema(const std::string& value, const Range& range);
Json value_schema(const std::vector<int64_t>& value, const Range& range);
Json value_schema(const DeviceChoice& value, const Range& range);
Json value_schema(const bilevel::CoinProbability& value, const Range& range);
Json value_schema(const bilevel::Base& value, const Range& range);
template <WordOption Enum>
Json value_schema(const Enum&, const Range& range) {
  return value_schema(std::string(), range);
}

/// A key that any object of a config may have: a remark for people, of any type, passed over.
inline constexpr const char* kComment = "_comment";

/// The schema of a comment, which may have any type.
Json comment_schema();

/// Throws ConfigError unless `json` is an object whose keys are all in `names` or kComment; `known` has the
/// paths of the whole config, in which the nearest name is looked for.
void check_keys(const Json& json, const Place& place, const std::vector<std::string>& names,
                const std::vector<std::string>& known);

/// The dotted paths of all options and groups of `options`, in order.
template <OptionStruct Options>
std::vector<std::string> option_paths(const Options& options, const std::string& prefix = "") {
  std::vector<std::string> paths;
  Options::describe(options, [&](std::string_view name, const auto& value, const Range&, std::string_view) {
    paths.push_back(Place::joined(prefix, name));
    if constexpr (OptionStruct<std::remove_cvref_t<decltype(value)>>) {
      const auto inner = option_paths(value, paths.back());
      paths.insert(paths.end(), inner.begin(), inner.end());
    }
  });
  return paths;
}

/// Sets the options that `json` names, and leaves the others as they are.
/// Throws ConfigError for an unknown key, a wrong type and a value out of range.
template <OptionStruct Options>
void read_options(const Json& json, const Place& place, Options& options,
                  const std::vector<std::string>& known) {
  std::vector<std::string> names;
  Options::describe(options, [&](std::string_view name, auto&, const Range&, std::string_view) {
    names.emplace_back(name);
  });
  check_keys(json, place, names, known);
  Options::describe(options, [&](std::string_view name, auto& value, const Range& range, std::string_view) {
    const auto found = json.find(std::string(name));
    if (found == json.end()) {
      return;
    }
    if constexpr (OptionStruct<std::remove_cvref_t<decltype(value)>>) {
      read_options(*found, place.child(name), value, known);
    } else {
      read_value(*found, place.child(name), range, value);
    }
  });
}

/// All of `options` as JSON, in the order of their description.
template <OptionStruct Options>
Json print_options(const Options& options) {
  Json json = Json::object();
  Options::describe(options, [&](std::string_view name, const auto& value, const Range&, std::string_view) {
    if constexpr (OptionStruct<std::remove_cvref_t<decltype(value)>>) {
      json[std::string(name)] = print_options(value);
    } else {
      json[std::string(name)] = print_value(value);
    }
  });
  return json;
}

/// The JSON Schema of an option struct; `defaults` gives the default of each option.
template <OptionStruct Options>
Json options_schema(const Options& defaults) {
  Json properties = Json::object();
  Options::describe(
      defaults, [&](std::string_view name, const auto& value, const Range& range, std::string_view meaning) {
        Json schema;
        if constexpr (OptionStruct<std::remove_cvref_t<decltype(value)>>) {
          schema = options_schema(value);
        } else {
          schema = value_schema(value, range);
          schema["default"] = print_value(value);
        }
        schema["description"] = meaning;
        properties[std::string(name)] = std::move(schema);
      });
  properties[kComment] = comment_schema();
  return {{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
}

}  // namespace ufo::run
