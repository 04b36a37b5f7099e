#pragma once

#include "cli/command.h"
#include "cli/json.h"

#include <filesystem>
#include <string>

namespace ufo::cli {

/// Writes `result`, headed by what it was made by and on, as `folder`/`name`.json and says so on standard
/// output. Throws UserError where that fails.
void write_experiment(const std::filesystem::path& folder, const std::string& name, Json result);

// The experiments: each adds itself to the subcommand `experiment`.
void add_counterexample(CLI::App& experiment, Action& action);

}  // namespace ufo::cli
