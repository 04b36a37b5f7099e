#include "cli/command.h"

#include <cstdio>

#include <ufo/base/error.h>
#include <ufo/run/config.h>
#include <ufo/train/method.h>

namespace ufo::cli {
namespace {

struct ConfigArguments {
  std::string config;
  std::vector<std::string> assignments;
  bool schema = false;
};

int show_config(const ConfigArguments& arguments) {
  if (arguments.schema) {
    std::puts(run::config_schema().c_str());
    return 0;
  }
  if (arguments.config.empty()) {
    throw ConfigError("config: need a CONFIG file, or --schema (see ufo-maml config --help)");
  }
  const run::RunOptions options = run::load_config(arguments.config, arguments.assignments).options;
  train::check_method(options);
  std::fputs(run::print_config(options).c_str(), stdout);
  return 0;
}

}  // namespace

void add_config(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* command =
      add_command(app, action, "config", "Check a config and print it with every default filled in",
                  "ufo-maml config configs/quickstart.json --set inner.steps=5\n"
                  "  ufo-maml config --schema > ufo-maml.schema.json",
                  [arguments] { return show_config(*arguments); });
  add_config_arguments(*command, arguments->config, arguments->assignments);
  command->get_option("CONFIG")->required(false);
  command->add_flag("--schema", arguments->schema, "print the JSON Schema of all configs, for editors");
}

}  // namespace ufo::cli
