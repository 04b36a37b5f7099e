#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <ufo/base/device.h>

namespace ufo::cli {

/// What the program does once its arguments are read; gives the exit code.
using Action = std::function<int()>;

/// The program as it was called, for lines that a user can type next.
std::string program_name(const CLI::App& app);

/// Adds the subcommand `name`, whose help ends with `example`; choosing it makes `run` the action.
CLI::App* add_command(CLI::App& app, Action& action, const std::string& name, const std::string& description,
                      const std::string& example, Action run);

/// Adds the positional CONFIG and --set PATH=VALUE.
void add_config_arguments(CLI::App& command, std::string& file, std::vector<std::string>& assignments);

/// Adds --device, in place of the config's. Reading it throws ConfigError for a word that names no device.
void add_device(CLI::App& command, std::optional<DeviceChoice>& device);

/// Adds --threads, which takes effect as it is read: as OMP_NUM_THREADS in the environment, before that.
void add_threads(CLI::App& command);

// The subcommands: each adds itself to `app`.
void add_train(CLI::App& app, Action& action);
void add_evaluate(CLI::App& app, Action& action);
void add_predict(CLI::App& app, Action& action);
void add_table(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_advise(CLI::App& app, Action& action);
void add_check(CLI::App& app, Action& action);
void add_gradient(CLI::App& app, Action& action);
void add_data(CLI::App& app, Action& action);
void add_config(CLI::App& app, Action& action);
void add_benchmark(CLI::App& app, Action& action);
void add_experiment(CLI::App& app, Action& action);

}  // namespace ufo::cli
