#include "cli/command.h"

#include <cstdlib>

#include <ATen/Parallel.h>

#include <ufo/base/error.h>
#include <ufo/base/text.h>

namespace ufo::cli {

std::string program_name(const CLI::App& app) {
  const CLI::App* root = &app;
  while (root->get_parent() != nullptr) {
    root = root->get_parent();
  }
  return root->get_name();
}

CLI::App* add_command(CLI::App& app, Action& action, const std::string& name, const std::string& description,
                      const std::string& example, Action run) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  command->callback([&action, run = std::move(run)] { action = run; });
  return command;
}

void add_config_arguments(CLI::App& command, std::string& file, std::vector<std::string>& assignments) {
  command.add_option("CONFIG", file, "config file (JSON)")->required();
  command
      .add_option("--set", assignments,
                  "change one option, e.g. --set meta_gradient.q=0.2; may be given several times")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
}

void add_device(CLI::App& command, std::optional<DeviceChoice>& device) {
  command.add_option_function<std::string>(
      "--device",
      [&device](const std::string& word) {
        device = parse_device(word);
        if (!device) {
          throw ConfigError(text("--device: need %s, got \"%s\"", kDeviceWords, word.c_str()));
        }
      },
      std::string(kDeviceWords) + " (default: the config's)");
}

void add_threads(CLI::App& command) {
  command
      .add_option_function<int>(
          "--threads",
          [](int threads) {
            ::setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), 1);
            at::set_num_threads(threads);
          },
          "threads of each process (default: OMP_NUM_THREADS, or one a core)")
      ->check(CLI::Range(1, 1024));
}

}  // namespace ufo::cli
