#pragma once

#include "cli/command.h"
#include "run/json.h"

#include <filesystem>
#include <string>

namespace ufo::cli {

/// Makes the folder of an experiment's results, before there are any. Throws ConfigError where that fails.
void make_output_folder(const std::filesystem::path& folder);

/// Writes `result`, headed by what it was made by and on, as `folder`/`name`.json and says so on standard
/// output. Throws UserError where that fails.
void write_experiment(const std::filesystem::path& folder, const std::string& name, run::Json result);

// The experiments: each adds itself to the subcommand `experiment`.
void add_counterexample(CLI::App& experiment, Action& action);
void add_hypercleaning(CLI::App& experiment, Action& action);

}  // namespace ufo::cli
