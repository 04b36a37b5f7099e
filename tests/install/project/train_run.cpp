// Trains a short run of a config and evaluates it: train_run CONFIG RUN_DIRECTORY
#include <cstdio>

#include <ufo/base/error.h>
#include <ufo/run/config.h>
#include <ufo/run/evaluation.h>
#include <ufo/train/evaluator.h>
#include <ufo/train/training.h>
#include <ufo/train/workspace.h>

namespace {

void train_and_evaluate(const char* file, const char* run_directory) {
  const auto config =
      ufo::run::load_config(file, {"outer.steps=60", "validation.every=30", "validation.tasks=20"});
  const auto end = ufo::train::train(config, {.run_directory = run_directory});

  const ufo::train::Workspace workspace(config);
  const auto curves = ufo::train::evaluate_episodes(
      workspace.learner(), end.result.checkpoint.parameters, workspace.evaluation_sampler(/*seed=*/1),
      {.tasks = 40, .inner = config.options.inner, .engine = workspace.engine()});
  const auto result = ufo::run::summarize(curves);
  std::printf("step %lld: %.1f%% +- %.1f%% of the query images of 40 test episodes\n",
              static_cast<long long>(end.result.checkpoint.step), 100 * result.accuracy(),
              100 * result.interval());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: train_run CONFIG RUN_DIRECTORY\n");
    return 2;
  }
  try {
    train_and_evaluate(argv[1], argv[2]);
  } catch (const ufo::UserError& error) {
    std::fprintf(stderr, "train_run: %s\n", error.what());
    return 2;
  }
}
