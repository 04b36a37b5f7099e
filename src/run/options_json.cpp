#include "run/options_json.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include <ufo/base/error.h>

namespace ufo::run {
namespace {

/// Edit distance of Levenshtein.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('.') + 1); }

/// The path of `known` nearest to `path`: by its whole spelling, or by its last name in another group, so
/// that a misplaced "ways" finds "episode.ways". None where all are far.
std::optional<std::string> nearest(const std::string& path, const std::vector<std::string>& known) {
  const auto apart = [&](const std::string& candidate) {
    return std::min(distance(path, candidate), 1 + distance(last_name(path), last_name(candidate)));
  };
  const auto best = std::min_element(known.begin(), known.end(),
                                     [&](const auto& a, const auto& b) { return apart(a) < apart(b); });
  const size_t limit = 1 + last_name(path).size() / 2;
  return best != known.end() && apart(*best) <= limit ? std::optional(*best) : std::nullopt;
}

std::optional<int64_t> as_integer(const Json& json) {
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return std::nullopt;
  }
  if (json.is_number_integer()) {
    return json.get<int64_t>();
  }
  constexpr double kExact = 0x1p53;  // beyond, a double no longer tells neighbouring integers apart
  if (json.is_number_float()) {
    const double value = json.get<double>();
    if (std::abs(value) <= kExact && value == std::floor(value)) {
      return static_cast<int64_t>(value);
    }
  }
  return std::nullopt;
}

std::string needed(const std::string& type, const Range& range) {
  const std::string limits = to_string(range);
  return limits.empty() ? type : type + " " + limits;
}

/// A bound without a needless ".0".
Json bound(double value) {
  return value == std::floor(value) ? Json(static_cast<int64_t>(value)) : Json(value);
}

void add_range(Json& schema, const Range& range) {
  for (double number : range.numbers) {
    schema["enum"].push_back(bound(number));
  }
  if (std::isfinite(range.minimum)) {
    schema[range.exclusive_minimum ? "exclusiveMinimum" : "minimum"] = bound(range.minimum);
  }
  if (std::isfinite(range.maximum)) {
    schema["maximum"] = bound(range.maximum);
  }
}

}  // namespace

void Place::refuse(const std::string& need, const Json& got) const {
  throw ConfigError(kind + ": " + (path.empty() ? "" : path + " in ") + origin + ": need " + need + ", got " +
                    brief(got));
}

void read_value(const Json& json, const Place& place, const Range& range, int64_t& value) {
  const auto integer = as_integer(json);
  if (!integer) {
    place.refuse("an integer", json);
  }
  if (!range.contains(static_cast<double>(*integer))) {
    place.refuse(to_string(range), json);
  }
  value = *integer;
}

void read_value(const Json& json, const Place& place, const Range& range, double& value) {
  if (!json.is_number()) {
    place.refuse("a number", json);
  }
  if (!range.contains(json.get<double>())) {
    place.refuse(to_string(range), json);
  }
  value = json.get<double>();
}

void read_value(const Json& json, const Place& place, const Range&, bool& value) {
  if (!json.is_boolean()) {
    place.refuse("true or false", json);
  }
  value = json.get<bool>();
}

void read_value(const Json& json, const Place& place, const Range& range, std::string& value) {
  if (!json.is_string()) {
    place.refuse(needed("a string", range), json);
  }
  const auto text = json.get<std::string>();
  if (!range.words.empty() && std::find(range.words.begin(), range.words.end(), text) == range.words.end()) {
    place.refuse(to_string(range), json);
  }
  value = text;
}

void read_value(const Json& json, const Place& place, const Range& range, std::vector<int64_t>& value) {
  if (!json.is_array()) {
    place.refuse("a list of integers", json);
  }
  std::vector<int64_t> items;
  for (const Json& item : json) {
    items.emplace_back();
    read_value(item, {place.path + "[" + std::to_string(items.size() - 1) + "]", place.origin, place.kind},
               range, items.back());
  }
  value = std::move(items);
}

void read_value(const Json& json, const Place& place, const Range&, DeviceChoice& value) {
  const auto device = json.is_string() ? parse_device(json.get<std::string>()) : std::nullopt;
  if (!device) {
    place.refuse(kDeviceWords, json);
  }
  value = *device;
}

void read_value(const Json& json, const Place& place, const Range& range, bilevel::CoinProbability& value) {
  bilevel::CoinProbability read;
  if (json == "adaptive") {
    read.adaptive = true;
  } else if (json.is_object()) {
    read.to = 0.0;
    check_keys(json, place, {"from", "to"}, {});
    for (const char* end : {"from", "to"}) {
      if (!json.contains(end)) {
        place.child(end).refuse("a number from 0 to 1", nullptr);
      }
    }
    read_value(json["from"], place.child("from"), between(0, 1), read.value);
    read_value(json["to"], place.child("to"), between(0, 1), *read.to);
  } else if (json.is_number()) {
    read_value(json, place, range, read.value);
  } else {
    place.refuse(needed("a number", range) + ", {\"from\": a, \"to\": b} or \"adaptive\"", json);
  }
  value = read;
}

void read_value(const Json& json, const Place& place, const Range& range, bilevel::Base& value) {
  if (json == "auto") {
    value = bilevel::Base::of_the_estimator();
  } else if (json == "first_order") {
    value = bilevel::Base::first_order();
  } else if (json == "head") {
    value = bilevel::Base::last(0);
  } else if (json.is_number()) {
    int64_t blocks = 0;
    read_value(json, place, range, blocks);
    value = bilevel::Base::last(blocks);
  } else {
    place.refuse("\"auto\", \"first_order\", \"head\" or a number of blocks", json);
  }
}

Json print_value(const bilevel::CoinProbability& value) {
  if (value.adaptive) {
    return "adaptive";
  }
  return value.to ? Json{{"from", value.value}, {"to", *value.to}} : Json(value.value);
}

Json print_value(const bilevel::Base& value) {
  if (!value.second_order()) {
    return value.is_given() ? "first_order" : "auto";
  }
  return value.blocks() == 0 ? Json("head") : Json(value.blocks());
}

Json value_schema(const int64_t&, const Range& range) {
  Json schema = {{"type", "integer"}};
  add_range(schema, range);
  return schema;
}

Json value_schema(const double&, const Range& range) {
  Json schema = {{"type", "number"}};
  add_range(schema, range);
  return schema;
}

Json value_schema(const bool&, const Range&) { return {{"type", "boolean"}}; }

Json value_schema(const std::string&, const Range& range) {
  Json schema = {{"type", "string"}};
  if (!range.words.empty()) {
    schema["enum"] = range.words;
  }
  return schema;
}

Json value_schema(const DeviceChoice&, const Range& range) { return value_schema(std::string(), range); }

Json value_schema(const std::vector<int64_t>&, const Range& range) {
  return {{"type", "array"}, {"items", value_schema(int64_t{}, range)}};
}

Json comment_schema() { return {{"description", "a remark for people, passed over"}}; }

Json value_schema(const bilevel::CoinProbability& value, const Range& range) {
  const Json end = value_schema(value.value, between(0, 1));
  const Json along = {{"type", "object"},
                      {"properties", {{"from", end}, {"to", end}, {kComment, comment_schema()}}},
                      {"required", {"from", "to"}},
                      {"additionalProperties", false}};
  return {{"oneOf", Json::array({value_schema(value.value, range), Json{{"const", "adaptive"}}, along})}};
}

Json value_schema(const bilevel::Base&, const Range& range) {
  return {{"oneOf",
           Json::array({value_schema(int64_t{}, range), Json{{"enum", {"auto", "first_order", "head"}}}})}};
}

void check_keys(const Json& json, const Place& place, const std::vector<std::string>& names,
                const std::vector<std::string>& known) {
  if (!json.is_object()) {
    place.refuse("an object", json);
  }
  for (const auto& [key, value] : json.items()) {
    if (key == kComment || std::find(names.begin(), names.end(), key) != names.end()) {
      continue;
    }
    const std::string path = Place::joined(place.path, key);
    std::string message = "config: unknown key " + path + " in " + place.origin;
    if (const auto near = nearest(path, known)) {
      message += "; did you mean " + *near + "?";
    } else {
      message += "; the keys here are ";
      for (size_t i = 0; i < names.size(); ++i) {
        message += (i ? ", " : "") + names[i];
      }
    }
    throw ConfigError(message);
  }
}

}  // namespace ufo::run
