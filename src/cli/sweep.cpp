#include "cli/sweep.h"

#include "run/json.h"
#include "run/options_json.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/adaptive_probability.h>
#include <ufo/run/config.h>
#include <ufo/train/method.h>

extern char** environ;

namespace ufo::cli {
namespace {

/// An estimator as a column of the tables.
struct Contestant {
  const char* label;
  const char* estimator;
  bilevel::Memory memory;
};

using enum bilevel::Memory;
constexpr Contestant kContestants[] = {
    {"first-order", "first_order", store_linearizations},
    {"exact, linearizations", "exact", store_linearizations},
    {"exact, parameters", "exact", store_parameters},
    {"exact, recompute", "exact", recompute},
    {"UFO, linearizations", "ufo", store_linearizations},
    {"UFO, recompute", "ufo", recompute},
};

/// The standard output of this program called with `arguments`. Its standard error is ours.
std::string output_of(const std::vector<std::string>& arguments) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);

  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) {
    throw std::runtime_error("benchmark: cannot open a pipe");
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addclose(&actions, ends[0]);
  ::posix_spawn_file_actions_addclose(&actions, ends[1]);
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);

  std::string output;
  std::array<char, 4096> buffer{};
  for (ssize_t count; !failed && (count = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    output.append(buffer.data(), static_cast<size_t>(count));
  }
  ::close(ends[0]);
  int status = 0;
  if (failed || ::waitpid(child, &status, 0) != child || status != 0) {
    throw std::runtime_error("benchmark: one of the sweep's measurements failed");
  }
  return output;
}

/// The config of a cell of the table, as --set has it.
std::vector<std::string> assignments_of(const SweepRequest& request, const Contestant& contestant,
                                        const std::string& value) {
  std::vector<std::string> assignments = request.assignments;
  assignments.push_back(std::string("meta_gradient.estimator=") + contestant.estimator);
  assignments.push_back("meta_gradient.memory=" + word_of(contestant.memory));
  assignments.push_back("meta_gradient.q=0.1");
  assignments.push_back(request.option.path + "=" + value);
  return assignments;
}

/// Throws ConfigError where a cell of the table could not be measured, before others have been.
void check_cells(const SweepRequest& request) {
  for (const std::string& value : request.option.values) {
    for (const Contestant& contestant : kContestants) {
      train::check_method(
          run::load_config(request.config, assignments_of(request, contestant, value)).options);
    }
  }
}

run::Json measure_cell(const SweepRequest& request, const Contestant& contestant, const std::string& value) {
  std::vector<std::string> arguments = {"benchmark",
                                        request.config,
                                        "--json",
                                        "--steps",
                                        std::to_string(request.steps),
                                        "--warm-up",
                                        std::to_string(request.warm_up)};
  for (const std::string& assignment : assignments_of(request, contestant, value)) {
    arguments.insert(arguments.end(), {"--set", assignment});
  }
  run::Json row = {{"value", run::Json::accept(value) ? run::Json::parse(value) : run::Json(value)},
                   {"estimator", contestant.estimator},
                   {"memory", word_of(contestant.memory)},
                   {"q", contestant.estimator == std::string("ufo") ? run::Json(0.1) : run::Json()},
                   {"label", contestant.label}};
  row.update(run::Json::parse(output_of(arguments)));
  return row;
}

std::string one_table(const run::Json& sweep, const char* title, const char* field, double unit) {
  std::string text = std::string(title) + "\n";
  char cell[64];
  std::snprintf(cell, sizeof cell, "%16s", sweep.at("path").get<std::string>().c_str());
  text += cell;
  for (const Contestant& contestant : kContestants) {
    std::snprintf(cell, sizeof cell, "  %21s", contestant.label);
    text += cell;
  }
  run::Json value;
  for (const run::Json& row : sweep.at("rows")) {
    if (row.at("value") != value) {
      value = row.at("value");
      std::snprintf(cell, sizeof cell, "\n%16s", value.dump().c_str());
      text += cell;
    }
    std::snprintf(cell, sizeof cell, "  %21.1f", row.at(field).get<double>() / unit);
    text += cell;
  }
  return text + "\n";
}

}  // namespace

SweptOption parse_sweep(const std::string& text) {
  const size_t equals = text.find('=');
  SweptOption option{.path = text.substr(0, equals), .values = {}};
  for (size_t begin = equals; begin != std::string::npos;) {
    const size_t end = text.find(',', ++begin);
    option.values.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
    begin = end;
  }
  const bool blank = std::find(option.values.begin(), option.values.end(), "") != option.values.end();
  if (option.path.empty() || option.values.empty() || blank) {
    throw ConfigError("benchmark: --sweep needs PATH=VALUE,VALUE,..., as in inner.steps=1,2,5, got " + text);
  }
  return option;
}

run::Json run_sweep(const SweepRequest& request) {
  check_cells(request);
  run::Json rows = run::Json::array();
  for (const std::string& value : request.option.values) {
    for (const Contestant& contestant : kContestants) {
      std::fprintf(stderr, "%s=%s  %s\n", request.option.path.c_str(), value.c_str(), contestant.label);
      rows.push_back(measure_cell(request, contestant, value));
    }
  }
  return {{"path", request.option.path},        {"config", request.config},
          {"assignments", request.assignments}, {"hardware", rows[0].at("hardware")},
          {"device", rows[0].at("device")},     {"threads", rows[0].at("threads")},
          {"revision", rows[0].at("revision")}, {"rows", rows}};
}

std::string sweep_tables(const run::Json& sweep) {
  return one_table(sweep, "milliseconds an outer step (median)", "milliseconds_per_step", 1) + "\n" +
         one_table(sweep, "peak of tensors alive, MB", "peak_tensor_bytes", 1e6) + "\n" +
         one_table(sweep, "peak resident memory of the process, MB", "peak_resident_bytes", 1e6);
}

}  // namespace ufo::cli
