#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ufo/run/options.h>
#include <ufo/run/provenance.h>

namespace ufo::run {

/// A config file, read.
struct Config {
  RunOptions options;                  ///< every default filled in; dataset.root as it was written
  std::filesystem::path file;          ///< where it was read
  std::filesystem::path dataset_root;  ///< where dataset.root was found, absolute
  Provenance provenance;               ///< of the run whose config.json it is; else empty
};

/// What a config file and the --set arguments say, checked and with every default filled in.
///
/// Two keys at the top of a file are no options and are passed over: "$schema", by which editors find the
/// schema, and "provenance", which a run directory's config.json has: it says where the run comes from.
///
/// A relative dataset.root is looked for from the current folder, then from the folder of `file` and each
/// folder above it; the first that exists is meant. A run directory whose data is in none of them uses the
/// place of its training.
///
/// Each of `assignments` is PATH=VALUE, with VALUE in JSON; a VALUE that is no JSON is a string.
/// Throws ConfigError, one line with path and file.
Config load_config(const std::filesystem::path& file, const std::vector<std::string>& assignments = {});

/// The options that print_config wrote as `text`; `origin` names it in messages. Throws ConfigError.
RunOptions parse_config(const std::string& text, const std::string& origin);

/// The text of a config file with all of `options`, and of a run's config.json, which has `provenance` below
/// them.
std::string print_config(const RunOptions& options);
std::string print_config(const RunOptions& options, const Provenance& provenance);

/// The JSON Schema (draft 2020-12) of a config file.
std::string config_schema();

/// The first option in which two configs differ, as "inner.steps: was 1, is now 5"; none where they agree.
/// `ignored` are paths that may differ.
std::optional<std::string> first_difference(const RunOptions& before, const RunOptions& now,
                                            const std::vector<std::string>& ignored);

/// An option in which configs differ, and its value in each of them as JSON.
struct DifferingOption {
  std::string path;
  std::vector<std::string> values;
};

/// The options in which any two of `configs` differ, in the order of a config. `ignored` are paths of options
/// and of groups of them.
std::vector<DifferingOption> differing_options(const std::vector<RunOptions>& configs,
                                               const std::vector<std::string>& ignored);

}  // namespace ufo::run
