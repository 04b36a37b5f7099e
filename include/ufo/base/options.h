#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ufo {

/// Option structs describe themselves: each has
///
///   template <class Self, class Visitor> static void describe(Self& self, Visitor&& field) {
///     field("ways", self.ways, at_least(2), "classes of an episode");
///   }
///
/// which names every option once, with its range and meaning. Reading a config, printing it, its JSON Schema
/// and the range checks all walk this one description. The default of an option is its member's initialiser.

/// The values a numeric option (or each item of a list) may take: an interval, or a few numbers; or the words
/// a string option may be. An empty Range allows all.
struct Range {
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool exclusive_minimum = false;
  std::vector<std::string> words = {};
  std::vector<double> numbers = {};

  bool contains(double value) const {
    if (!numbers.empty()) {
      return std::find(numbers.begin(), numbers.end(), value) != numbers.end();
    }
    return (exclusive_minimum ? value > minimum : value >= minimum) && value <= maximum;
  }
};

inline Range anything() { return {}; }
inline Range at_least(double minimum) { return {.minimum = minimum}; }
inline Range positive() { return {.minimum = 0, .exclusive_minimum = true}; }
inline Range between(double minimum, double maximum) { return {.minimum = minimum, .maximum = maximum}; }
/// (0, maximum]
inline Range positive_up_to(double maximum) {
  return {.minimum = 0, .maximum = maximum, .exclusive_minimum = true};
}
inline Range one_of(std::vector<std::string> words) { return {.words = std::move(words)}; }

/// The words by which configs and files know the values of an enum. A specialisation has `table`, an array of
/// pairs of a value and its word.
template <class Enum>
struct Words;

/// An enum that can be an option.
template <class T>
concept WordOption = std::is_enum_v<T> && requires {
  Words<T>::table;
};

/// The word for `value`.
template <WordOption Enum>
std::string word_of(Enum value) {
  for (const auto& [other, word] : Words<Enum>::table) {
    if (other == value) {
      return word;
    }
  }
  return "";
}

/// The value that `word` stands for; none where it is no word of the enum's.
template <WordOption Enum>
std::optional<Enum> value_of(std::string_view word) {
  for (const auto& [value, own] : Words<Enum>::table) {
    if (own == word) {
      return value;
    }
  }
  return std::nullopt;
}

/// The words of an enum, as a Range.
template <WordOption Enum>
Range one_of_words() {
  Range range;
  for (const auto& [value, word] : Words<Enum>::table) {
    range.words.emplace_back(word);
  }
  return range;
}

inline Range one_of_numbers(std::vector<double> numbers) { return {.numbers = std::move(numbers)}; }

/// "at least 1", "above 0 and at most 1", "one of adam, sgd": the Range in words, for error messages.
std::string to_string(const Range& range);

namespace detail {
struct AnyVisitor {
  template <class Member>
  void operator()(std::string_view, Member&, const Range&, std::string_view) const {}
};
}  // namespace detail

/// A struct that describes its options.
template <class T>
concept OptionStruct = requires(T& options, detail::AnyVisitor visitor) {
  T::describe(options, visitor);
};

/// Throws ConfigError naming `path` unless `value` lies in `range`.
void check_range(std::string_view path, double value, const Range& range);
inline void check_range(std::string_view path, int64_t value, const Range& range) {
  check_range(path, static_cast<double>(value), range);
}
void check_range(std::string_view path, const std::string& value, const Range& range);

inline void check_range(std::string_view, bool, const Range&) {}
template <WordOption Enum>
void check_range(std::string_view path, const Enum& value, const Range& range) {
  check_range(path, word_of(value), range);
}

/// No other type is checked by way of a conversion to one of these.
template <class Other>
void check_range(std::string_view path, const Other& value, const Range& range) = delete;

/// A type that an option can have.
template <class T>
concept OptionValue = requires(const T& value, const Range& range) {
  check_range(std::string_view(), value, range);
};

template <OptionValue Item>
void check_range(std::string_view path, const std::vector<Item>& items, const Range& range) {
  for (const Item& item : items) {
    check_range(path, item, range);
  }
}

/// Throws ConfigError for the first option of `options` that lies outside its range; `path` is the prefix of
/// the names in the message ("inner" gives "inner.steps"), empty at the top. An option of a type of its own
/// has a check_range beside that type.
template <OptionStruct Options>
void check_ranges(const Options& options, const std::string& path = "") {
  Options::describe(
      options, [&](std::string_view name, const auto& value, const Range& range, std::string_view) {
        using Value = std::remove_cvref_t<decltype(value)>;
        const std::string full = path.empty() ? std::string(name) : path + "." + std::string(name);
        if constexpr (OptionStruct<Value>) {
          check_ranges(value, full);
        } else {
          static_assert(OptionValue<Value>, "a type of options needs a check_range beside it");
          check_range(full, value, range);
        }
      });
}

}  // namespace ufo
