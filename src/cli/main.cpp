#include "cli/command.h"
#include "cli/standard_streams.h"
#include "cli/version.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>

#include <c10/util/Exception.h>

#include <ufo/base/error.h>
#include <ufo/base/logging.h>
#include <ufo/base/mapped_file.h>
#include <ufo/base/printable.h>
#include <ufo/base/reason.h>

namespace {

using namespace ufo::cli;

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;

constexpr void (*kCommands[])(CLI::App&, Action&) = {
    add_train, add_evaluate, add_table, add_report, add_predict,   add_advise,
    add_check, add_gradient, add_data,  add_config, add_benchmark, add_experiment,
};

/// Prints `message` as one line.
int report(std::string message, int exit_code) {
  while (!message.empty() && message.back() == '\n') {
    message.pop_back();
  }
  for (size_t at; (at = message.find('\n')) != std::string::npos;) {
    message.replace(at, 1, "; ");
  }
  std::fprintf(stderr, "ufo-maml: %s\n", ufo::printable(message).c_str());
  return exit_code;
}

/// The name of the subcommand that was chosen, for the hint below a usage error.
std::string chosen(const CLI::App& app) {
  for (const CLI::App* command : app.get_subcommands()) {
    return " " + command->get_name() + chosen(*command);
  }
  return "";
}

std::vector<std::string> names_of_subcommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

/// "train, evaluate, ..." where the first argument should be one of these and is not, else "": CLI11 would
/// only say that one is required.
std::string subcommands_to_choose_from(const CLI::App& app, int argc, char** argv) {
  const auto names = names_of_subcommands(app);
  if (argc < 2 || argv[1][0] == '-' || std::find(names.begin(), names.end(), argv[1]) != names.end()) {
    return "";
  }
  return CLI::detail::join(names, ", ");
}

int run(int argc, char** argv) {
  CLI::App app("UFO-MAML trains few-shot learners by MAML, FOMAML and UFO-MAML.", argv[0]);
  app.footer(
      "Each subcommand has --help with an example. "
      "Results go to standard output, the log to standard error.\n"
      "Exit code: 0 done, 1 the run failed, 2 usage, config or data are wrong, "
      "130 / 143 after SIGINT / SIGTERM.");
  app.set_version_flag("--version", std::function<std::string()>(version_text),
                       "Print version, revision, LibTorch, CUDA and instruction set, and exit");
  app.require_subcommand(1);
  Action action;
  for (const auto add : kCommands) {
    add(app, action);
  }
  if (const std::string names = subcommands_to_choose_from(app, argc, argv); !names.empty()) {
    return report("there is no subcommand " + std::string(argv[1]) + "; need one of " + names, kBadUsage);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return report(std::string(error.what()) + " (see ufo-maml" + chosen(app) + " --help)", kBadUsage);
  } catch (const ufo::UserError& error) {
    return report(error.what(), kBadUsage);
  }
  try {
    ufo::log_to_standard_error();
    ufo::end_at_cut_files();
    return action();
  } catch (const ufo::UserError& error) {
    return report(error.what(), kBadUsage);
  } catch (const c10::Error& error) {
    return report(ufo::reason(error), kFailed);
  } catch (const std::exception& error) {
    return report(error.what(), kFailed);
  }
}

}  // namespace

int main(int argc, char** argv) {
  open_closed_descriptors();
  const int exit_code = run(argc, argv);
  try {
    check_output_was_written();
  } catch (const std::exception& error) {
    return exit_code != 0 ? exit_code : report(error.what(), kFailed);
  }
  return exit_code;
}
