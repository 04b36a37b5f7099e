#include "cli/command.h"
#include "report/page.h"
#include "report/tabulate.h"

#include <algorithm>
#include <cstdio>

#include <ufo/base/files.h>

namespace ufo::cli {
namespace {

struct ReportArguments {
  std::vector<std::string> runs;
  std::string output = "report.html", split = "test";
};

/// Runs of one name go by their paths.
void tell_apart(std::vector<run::RunRecord>& runs) {
  std::vector<std::string> names;
  for (const run::RunRecord& run : runs) {
    names.push_back(run.name);
  }
  for (run::RunRecord& run : runs) {
    if (std::count(names.begin(), names.end(), run.name) > 1) {
      run.name = run.path;
    }
  }
}

int report(const ReportArguments& arguments) {
  const data::Split split = data::parse_split(arguments.split);
  std::vector<run::RunRecord> runs;
  std::vector<std::string> evaluated;
  for (const std::string& path : arguments.runs) {
    runs.push_back(run::read_run(path, split));
    if (runs.back().evaluation) {
      evaluated.push_back(path);
    }
  }
  tell_apart(runs);
  write_file_atomically(
      arguments.output,
      report::report_page(runs, report::tabulate(evaluated, {.split = split, .published = true})));
  std::printf("written      %s\n", arguments.output.c_str());
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = add_command(
      app, action, "report", "Write a page about one run, or several side by side",
      "ufo-maml report runs/quickstart_* --output report.html", [arguments] { return report(*arguments); });
  command->add_option("RUN", arguments->runs, "run directories, in the order of the page")->required();
  command->add_option("--output", arguments->output, "HTML file to write")->capture_default_str();
  command->add_option("--split", arguments->split, "of the evaluations: train, validation or test")
      ->capture_default_str();
}

}  // namespace ufo::cli
