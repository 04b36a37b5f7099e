#include "cli/experiment.h"

#include "run/json.h"

#include <cstdio>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/run/provenance.h>

namespace ufo::cli {

void make_output_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw ConfigError("experiment: cannot make the folder " + folder.string() + ": " + error.message());
  }
}

void write_experiment(const std::filesystem::path& folder, const std::string& name, run::Json result) {
  const auto facts = run::provenance_of_program(0, at::kCPU, run::processor_name());
  run::Json whole = {{"experiment", name},
                     {"version", facts.version},
                     {"revision", facts.revision},
                     {"libtorch", facts.libtorch},
                     {"hardware", facts.hardware}};
  whole.update(result);
  const auto file = folder / (name + ".json");
  write_file_atomically(file, whole.dump(1) + "\n");
  std::printf("\nwritten      %s\nnext         scripts/plot %s %s -o %s.svg\n", file.c_str(), name.c_str(),
              file.c_str(), name.c_str());
}

void add_experiment(CLI::App& app, Action& action) {
  CLI::App* experiment =
      app.add_subcommand("experiment", "Small bilevel problems that show how the estimators differ");
  experiment->require_subcommand(1);
  experiment->footer("Example:\n  ufo-maml experiment counterexample --output runs/counterexample");
  add_counterexample(*experiment, action);
  add_hypercleaning(*experiment, action);
}

}  // namespace ufo::cli
