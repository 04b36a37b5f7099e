#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo {
namespace {

std::string fault_of(const std::string& text) {
  try {
    parse_json(text);
  } catch (const JsonFault& fault) {
    return fault.what();
  }
  return "";
}

TEST(StrictJson, GivesTheValue) {
  EXPECT_EQ(parse_json(R"({"a": [1, {"b": "c"}], "d": {"b": 2}})"),
            (nlohmann::ordered_json{{"a", {1, {{"b", "c"}}}}, {"d", {{"b", 2}}}}));
}

TEST(StrictJson, AKeyThatStandsTwiceIsNamedWithItsPath) {
  EXPECT_EQ(fault_of(R"({"a": 1, "b": {"c": 1, "d": 2, "c": 3}})"), "b.c stands twice");
  EXPECT_EQ(fault_of(R"([{"a": 1}, {"a": 1}])"), "");
}

TEST(StrictJson, BadTextIsNamedByItsPlace) {
  EXPECT_THAT(fault_of("{\n\"a\": }"), testing::StartsWith("line 2, column 6: "));
  EXPECT_THAT(fault_of(""), testing::StartsWith("line 1, column 1: "));
  EXPECT_THAT(fault_of("\"\xff\""), testing::Not(testing::HasSubstr("\xff")));
  EXPECT_THAT(fault_of("{"), testing::Not(testing::HasSubstr("json.exception")));
}

TEST(StrictJson, DepthIsLimited) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_EQ(fault_of(nested(kDeepestJson)), "");
  EXPECT_EQ(fault_of(nested(kDeepestJson + 1)), "need at most 64 levels, got more");
  EXPECT_EQ(fault_of(nested(1'000'000)), "need at most 64 levels, got more");
}

}  // namespace
}  // namespace ufo
