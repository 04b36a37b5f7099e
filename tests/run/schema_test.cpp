#include "run/options_json.h"

#include <gtest/gtest.h>

#include <ufo/run/config.h>

namespace ufo::run {
namespace {

/// Whether `value` is what the schema of one option allows: the keywords that config_schema uses.
bool matches(const Json& value, const Json& schema) {
  if (schema.contains("oneOf")) {
    const auto& choices = schema["oneOf"];
    return std::count_if(choices.begin(), choices.end(),
                         [&](const Json& one) { return matches(value, one); }) == 1;
  }
  if (schema.contains("const")) {
    return value == schema["const"];
  }
  if (schema.contains("enum") &&
      std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end()) {
    return false;
  }
  const std::string type = schema.contains("type") ? schema.at("type") : Json("string");
  if (type == "object") {
    return value.is_object() && value.size() == schema.at("required").size() &&
           std::all_of(schema.at("required").begin(), schema.at("required").end(), [&](const Json& name) {
             return value.contains(name) && matches(value[name], schema.at("properties").at(name));
           });
  }
  if (type == "array") {
    return value.is_array() && std::all_of(value.begin(), value.end(), [&](const Json& item) {
             return matches(item, schema.at("items"));
           });
  }
  if (type == "integer" || type == "number") {
    return (type == "integer" ? value.is_number_integer() : value.is_number()) &&
           (!schema.contains("minimum") || value >= schema["minimum"]) &&
           (!schema.contains("exclusiveMinimum") || value > schema["exclusiveMinimum"]) &&
           (!schema.contains("maximum") || value <= schema["maximum"]);
  }
  return type == "string" ? value.is_string() : type == "boolean" && value.is_boolean();
}

/// Walks the schema and the defaults together, and gives the paths that both have.
std::vector<std::string> paths_of(const Json& schema, const Json& defaults, const std::string& prefix) {
  EXPECT_EQ(schema.at("type"), "object") << prefix;
  EXPECT_EQ(schema.at("additionalProperties"), false) << prefix;
  std::vector<std::string> paths;
  for (const auto& [name, property] : schema.at("properties").items()) {
    if (name == "$schema" || name == "provenance" || name == kComment) {
      continue;
    }
    const std::string path = Place::joined(prefix, name);
    SCOPED_TRACE(path);
    EXPECT_FALSE(property.at("description").get<std::string>().empty());
    paths.push_back(path);
    if (defaults.at(name).is_object()) {
      const auto inner = paths_of(property, defaults.at(name), path);
      paths.insert(paths.end(), inner.begin(), inner.end());
    } else {
      EXPECT_EQ(property.at("default"), defaults.at(name));
      EXPECT_TRUE(matches(defaults.at(name), property));
    }
  }
  return paths;
}

TEST(ConfigSchema, ListsEveryOptionWithDescriptionDefaultAndRange) {
  const RunOptions defaults;
  const Json schema = Json::parse(config_schema());
  EXPECT_EQ(schema.at("$schema"), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(paths_of(schema, print_options(defaults), ""), option_paths(defaults));
}

TEST(ConfigSchema, WritesRanges) {
  const Json properties = Json::parse(config_schema()).at("properties");
  const auto option = [&](const char* group, const char* name) {
    return properties.at(group).at("properties").at(name);
  };
  EXPECT_EQ(option("episode", "ways").at("minimum"), 2);
  EXPECT_EQ(option("inner", "learning_rate").at("exclusiveMinimum"), 0);
  EXPECT_EQ(option("model", "kernel").at("enum"), Json::array({1, 3, 5, 7}));
  EXPECT_EQ(option("outer", "optimizer").at("enum"), Json::array({"adam", "sgd"}));
  const Json q = option("meta_gradient", "q");
  EXPECT_TRUE(matches(0.5, q));
  EXPECT_TRUE(matches("adaptive", q));
  EXPECT_TRUE(matches({{"from", 0}, {"to", 0.5}}, q));
  EXPECT_FALSE(matches({{"from", 0}}, q));
  EXPECT_FALSE(matches({{"from", 0}, {"to", 2}}, q));
  EXPECT_FALSE(matches(0, q));
  EXPECT_FALSE(matches(1.5, q));
  EXPECT_FALSE(matches("often", q));
}

}  // namespace
}  // namespace ufo::run
