#include "cli/command.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <ufo/base/logging.h>
#include <ufo/base/printable.h>
#include <ufo/bilevel/adaptive_probability.h>
#include <ufo/run/config.h>
#include <ufo/run/run_directory.h>
#include <ufo/train/training.h>

namespace ufo::cli {
namespace {

namespace fs = std::filesystem;

struct TrainArguments {
  std::string program, config, run_directory, initialise, checkpoint = "last";
  std::vector<std::string> assignments;
  std::optional<DeviceChoice> device;
  bool resume = false, changed_data = false;

  fs::path run_path() const {
    return run_directory.empty() ? fs::path("runs") / fs::path(config).stem() : fs::path(run_directory);
  }

  /// The command that goes on with this run.
  std::string resume_command() const {
    std::string command = shell_word(program) + " train " + shell_word(config) + " --run-dir " +
                          shell_word(run_path().string()) + " --resume";
    for (const std::string& assignment : assignments) {
      command += " --set " + shell_word(assignment);
    }
    return command + (device ? " --device " + to_string(*device) : "");
  }
};

void print_end(const TrainArguments& arguments, const run::RunDirectory& run, const run::Checkpoint& end) {
  const std::string path = run.path().string();
  std::printf("run          %s\n", path.c_str());
  if (fs::exists(run.best_checkpoint()) && !end.best.empty()) {
    const run::Validated& best = end.best.front();
    std::printf("best         %s (validation %.2f%% after step %lld)\n", run.best_checkpoint().c_str(),
                100 * best.accuracy, static_cast<long long>(best.step));
  }
  std::printf("last         %s (step %lld)\n", run.last_checkpoint().c_str(),
              static_cast<long long>(end.step));
  std::printf("curves       %s, %s\n", run.metrics_file().c_str(), run.tensorboard_folder().c_str());
  std::printf("next         %s evaluate %s\n", shell_word(arguments.program).c_str(),
              shell_word(path).c_str());
}

/// What the coins of a UFO run saw, in one line: D^2 / V^2, and the q that would have suited it.
void print_coins(const bilevel::Coin& coin) {
  const auto moments = coin.moments();
  if (!moments || std::isnan(moments->norm_squared)) {
    return;
  }
  const double best = coin.best_probability();
  std::printf("coins        D^2 is %.2f of V^2; the q of least variance for the work is %.2f: %s\n",
              moments->bias_squared / moments->norm_squared, best,
              best > 0.95  ? "exact would do, without a coin"
              : best < 0.2 ? "the base says nearly all there is"
                           : "a larger base would allow a smaller one");
}

int train(const TrainArguments& arguments) {
  std::vector<std::string> assignments = arguments.assignments;
  if (arguments.device) {
    assignments.push_back("device=" + to_string(*arguments.device));
  }
  const run::Config config = run::load_config(arguments.config, assignments);
  const train::TrainingEnd end = train::train(config, {.run_directory = arguments.run_path(),
                                                       .resume = arguments.resume,
                                                       .checkpoint = arguments.checkpoint,
                                                       .changed_data = arguments.changed_data,
                                                       .initialise = arguments.initialise});
  const bool finished = end.result.status == train::TrainingStatus::finished;
  if (end.run && finished) {
    print_end(arguments, *end.run, end.result.checkpoint);
    print_coins(end.coin);
  } else if (end.run) {
    std::ostringstream text;
    text << "stopped by " << ::strsignal(end.signal) << " after outer step " << end.result.checkpoint.step
         << "; go on with: " << arguments.resume_command();
    log(LogLevel::warning, text.str());
  }
  return finished ? 0 : 128 + end.signal;
}

}  // namespace

void add_train(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = add_command(
      app, action, "train", "Train an initialisation as a config says",
      "ufo-maml train configs/omniglot_5way_1shot_ufo.json --set meta_gradient.q=0.2 --run-dir runs/q02",
      [arguments, &app] {
        arguments->program = program_name(app);
        return train(*arguments);
      });
  add_config_arguments(*command, arguments->config, arguments->assignments);
  command->add_option("--run-dir", arguments->run_directory,
                      "folder of the run (default: runs/ and the config's name)");
  command->add_flag(
      "--resume", arguments->resume,
      "go on with the run in the folder; outer.steps, dataset.root and device may have changed");
  command->add_flag(
      "--changed-data", arguments->changed_data,
      "with --resume: go on though classes or images changed, where no class changed its split");
  command
      ->add_option("--checkpoint", arguments->checkpoint,
                   "with --resume: where to go on from, last, best or a checkpoint file")
      ->capture_default_str();
  command->add_option(
      "--initialise", arguments->initialise,
      "safetensors file, a checkpoint for example, whose weights the run begins with in place of random ones");
  add_device(*command, arguments->device);
  add_threads(*command);
}

}  // namespace ufo::cli
