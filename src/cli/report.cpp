#include "cli/command.h"
#include "report/page.h"
#include "report/runs.h"
#include "report/tabulate.h"

#include <cstdio>

#include <ufo/base/files.h>
#include <ufo/base/logging.h>

namespace ufo::cli {
namespace {

struct ReportArguments {
  std::vector<std::string> runs;
  std::string output = "report.html", split = "test";
};

int report(const ReportArguments& arguments) {
  const data::Split split = data::parse_split(arguments.split);
  const report::Runs runs = report::read_runs(arguments.runs, split);
  for (const std::string& line : runs.left_out) {
    log(LogLevel::warning, line);
  }
  const report::Table table =
      report::tabulate(runs.records, {.split = split, .published = true, .paired = true});
  write_file_atomically(arguments.output, report::report_page(runs.records, table));
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
  command->add_option("-o,--output", arguments->output, "HTML file to write")->capture_default_str();
  command->add_option("--split", arguments->split, "of the evaluations: train, validation or test")
      ->capture_default_str();
}

}  // namespace ufo::cli
