#include "report/runs.h"

#include <algorithm>
#include <iterator>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/printable.h>
#include <ufo/run/run_directory.h>

namespace ufo::report {
namespace {

namespace fs = std::filesystem;

/// Whether `path` holds what `experiment` writes and no run.
bool holds_an_experiment(const fs::path& path) {
  std::error_code unreadable;
  if (run::RunDirectory::holds_a_run(path)) {
    return false;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path, unreadable)) {
    if (entry.path().extension() != ".json" || !entry.is_regular_file(unreadable)) {
      continue;
    }
    const run::Json json = run::Json::parse(read_text_file(entry.path()), nullptr, false);
    if (json.is_object() && json.contains("experiment")) {
      return true;
    }
  }
  return false;
}

/// Gives runs of one name their paths as names, and evaluations with settings of their own these too.
void tell_apart(std::vector<run::RunRecord>& runs) {
  std::vector<std::string> names;
  for (const run::RunRecord& run : runs) {
    if (!run.further) {
      names.push_back(run.name);
    }
  }
  for (run::RunRecord& run : runs) {
    if (std::count(names.begin(), names.end(), run.name) > 1) {
      run.name = run.path;
    }
    run.name += run.settings.empty() ? "" : ", " + run.settings;
  }
}

}  // namespace

Runs read_runs(const std::vector<std::string>& paths, data::Split split) {
  Runs runs;
  for (const std::string& path : paths) {
    if (holds_an_experiment(path)) {
      runs.left_out.push_back(path + " holds an experiment, no run, and is left out");
    } else {
      auto records = run::read_run(path, split);
      std::move(records.begin(), records.end(), std::back_inserter(runs.records));
    }
  }
  if (runs.records.empty()) {
    throw ConfigError("need at least one run directory, found none: " + runs.left_out.front());
  }
  std::stable_partition(runs.records.begin(), runs.records.end(),
                        [](const run::RunRecord& run) { return !run.further; });
  tell_apart(runs.records);
  return runs;
}

void require_evaluations(const std::vector<run::RunRecord>& runs, data::Split split) {
  const std::string name = data::kSplitNames[static_cast<size_t>(split)];
  for (const run::RunRecord& run : runs) {
    if (!run.evaluation) {
      throw ConfigError(run.path + ": its " + name + " split was not evaluated yet: ufo-maml evaluate " +
                        shell_word(run.path) + (split == data::Split::test ? "" : " --split " + name));
    }
  }
}

}  // namespace ufo::report
