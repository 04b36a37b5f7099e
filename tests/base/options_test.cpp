#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/base/options.h>

namespace ufo {
namespace {

struct Inner {
  double rate = 0.5;
  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("rate", self.rate, positive_up_to(1), "a rate");
  }
};

struct Outer {
  int64_t steps = 3;
  std::string kind = "a";
  Inner inner;
  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("steps", self.steps, at_least(1), "how many");
    field("kind", self.kind, one_of({"a", "b"}), "which");
    field("inner", self.inner, anything(), "a nested group");
  }
};

}  // namespace

enum class Named { first, second, third };
enum class Unnamed { value };

}  // namespace ufo

template <>
struct ufo::Words<ufo::Named> {
  static constexpr std::pair<Named, const char*> table[] = {{Named::first, "one"}, {Named::second, "two"}};
};

namespace ufo {
namespace {

std::string message_of(const Outer& options) {
  try {
    check_ranges(options);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Options, DefaultsAreInRange) { EXPECT_EQ(message_of({}), ""); }

TEST(Options, NamesThePathTheNeedAndTheValue) {
  EXPECT_EQ(message_of({.steps = 0}), "steps: need at least 1, got 0");
  EXPECT_EQ(message_of({.inner = {.rate = 0}}), "inner.rate: need above 0 and at most 1, got 0");
  EXPECT_EQ(message_of({.kind = "c"}), "kind: need one of a, b, got \"c\"");
}

TEST(Options, RefusesNotANumber) {
  EXPECT_THAT(message_of({.inner = {.rate = std::numeric_limits<double>::quiet_NaN()}}),
              testing::StartsWith("inner.rate: need above 0"));
}

TEST(Options, AreOfTypesThatTheRangeCheckKnows) {
  EXPECT_TRUE(OptionValue<int64_t> && OptionValue<double> && OptionValue<bool> && OptionValue<std::string>);
  EXPECT_TRUE(OptionValue<Named> && OptionValue<std::vector<int64_t>>);
  EXPECT_FALSE(OptionValue<float> || OptionValue<int32_t> || OptionValue<uint64_t>);
  EXPECT_FALSE(OptionValue<const char*> || OptionValue<Unnamed> || OptionValue<std::vector<float>>);
}

TEST(Words, StandForTheValuesOfAnEnumBothWays) {
  EXPECT_EQ(word_of(Named::second), "two");
  EXPECT_EQ(value_of<Named>("two"), Named::second);
  EXPECT_EQ(value_of<Named>("three"), std::nullopt);
  EXPECT_EQ(to_string(one_of_words<Named>()), "one of one, two");
}

TEST(Words, OutsideOfTheRangeAreRefused) {
  const auto message = [](Named value) -> std::string {
    try {
      check_range("which", value, one_of({word_of(Named::first)}));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(Named::first), "");
  EXPECT_EQ(message(Named::second), "which: need one of one, got \"two\"");
  EXPECT_EQ(message(Named::third), "which: need one of one, got \"\"");
}

}  // namespace
}  // namespace ufo
