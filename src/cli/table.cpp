#include "cli/command.h"
#include "report/runs.h"
#include "report/table_format.h"
#include "report/tabulate.h"

#include <cstdio>
#include <map>

namespace ufo::cli {
namespace {

using Formatter = std::string (*)(const report::Table&);

/// The formats by the names of --format.
const std::map<std::string, Formatter> kFormats = {{"markdown", report::to_markdown},
                                                   {"csv", report::to_csv},
                                                   {"latex", report::to_latex},
                                                   {"json", report::to_json}};

struct TableArguments {
  std::vector<std::string> runs;
  std::string format = "markdown", split = "test";
  report::TableOptions options;
};

int print_table(TableArguments arguments) {
  arguments.options.split = data::parse_split(arguments.split);
  const report::Runs runs = report::read_runs(arguments.runs, arguments.options.split);
  report::require_evaluations(runs.records, arguments.options.split);
  report::Table table = report::tabulate(runs.records, arguments.options);
  table.notes.insert(table.notes.end(), runs.left_out.begin(), runs.left_out.end());
  std::fputs(kFormats.at(arguments.format)(table).c_str(), stdout);
  return 0;
}

}  // namespace

void add_table(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TableArguments>();
  CLI::App* command =
      add_command(app, action, "table", "Print the evaluations of runs as one table",
                  "ufo-maml table runs/* --published\n  ufo-maml table runs/a runs/b --format latex\n"
                  "  ufo-maml table runs/maml_seed* --over-seeds\n"
                  "  ufo-maml table runs/maml runs/ufo --paired",
                  [arguments] { return print_table(*arguments); });
  command->add_option("RUN", arguments->runs, "run directories, in the order of the rows")->required();
  std::vector<std::string> names;
  for (const auto& [name, formatter] : kFormats) {
    names.push_back(name);
  }
  command->add_option("--format", arguments->format, "markdown, csv, latex or json")
      ->capture_default_str()
      ->check(CLI::IsMember(names));
  command->add_option("--split", arguments->split, "train, validation or test")->capture_default_str();
  command->add_flag("--over-seeds", arguments->options.over_seeds,
                    "make one row of runs that differ in their seed alone: the mean, with its interval over "
                    "the episodes and that over the seeds");
  command->add_flag("--paired", arguments->options.paired,
                    "add the differences of each two runs that saw the same episodes, and whether they are "
                    "seen, all pairs together (with --format csv in place of the runs)");
  command->add_flag(
      "--published", arguments->options.published,
      "add what papers report for the same cells, and whether the accuracy lies within, above or below "
      "their interval");
}

}  // namespace ufo::cli
