#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <ATen/ATen.h>
#include <torch/csrc/utils/pybind.h>

#include <ufo/base/options.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::python {

namespace py = pybind11;

// Option structs from Python's dicts, by walking their `describe`: the names, ranges and defaults of configs.

/// Throws std::invalid_argument (ValueError in Python): what `path` needs, and what it got.
[[noreturn]] void refuse(const std::string& path, const std::string& need, py::handle got);

/// Throws std::invalid_argument for a `name` that is none of `known`, with the nearest of them.
[[noreturn]] void refuse_name(const std::string& path, const std::string& name,
                              const std::vector<std::string>& known);

template <class Value>
void read_value(py::handle given, const std::string& path, const Range&, Value& value) {
  try {
    value = given.cast<Value>();
  } catch (const py::cast_error&) {
    const char* need = std::is_same_v<Value, int64_t>       ? "an integer"
                       : std::is_same_v<Value, double>      ? "a number"
                       : std::is_same_v<Value, bool>        ? "True or False"
                       : std::is_same_v<Value, std::string> ? "a string"
                                                            : "a list of integers";
    refuse(path, need, given);
  }
}

template <WordOption Enum>
void read_value(py::handle given, const std::string& path, const Range& range, Enum& value) {
  std::string word;
  read_value(given, path, range, word);
  check_range(path, word, range);
  value = *value_of<Enum>(word);
}

void read_value(py::handle given, const std::string& path, const Range&, bilevel::CoinProbability& value);
void read_value(py::handle given, const std::string& path, const Range&, bilevel::Base& value);

/// Sets the options that `given` names and checks the ranges of all; `path` is the prefix of the names in
/// messages. Throws std::invalid_argument for an unknown name and a wrong type, ConfigError for a value out
/// of range.
template <OptionStruct Options>
void read_options(const py::dict& given, const std::string& path, Options& options) {
  std::vector<std::string> known;
  Options::describe(options, [&](std::string_view name, auto& value, const Range& range, std::string_view) {
    const std::string key(name);
    known.push_back(key);
    if (!given.contains(key)) {
      return;
    }
    if constexpr (OptionStruct<std::remove_cvref_t<decltype(value)>>) {
      if (!py::isinstance<py::dict>(given[key.c_str()])) {
        refuse(path + "." + key, "a dict", given[key.c_str()]);
      }
      read_options(given[key.c_str()].template cast<py::dict>(), path + "." + key, value);
    } else {
      read_value(given[key.c_str()], path + "." + key, range, value);
    }
  });
  for (const auto& item : given) {
    const std::string key = py::str(item.first);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      refuse_name(path, key, known);
    }
  }
  check_ranges(options, path);
}

}  // namespace ufo::python
