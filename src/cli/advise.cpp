#include "cli/advice.h"
#include "cli/command.h"
#include "run/json.h"
#include "run/options_json.h"

#include <cstdio>

#include <ufo/base/error.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/config.h>

namespace ufo::cli {
namespace {

struct AdviseArguments {
  std::string config, checkpoint;
  std::vector<std::string> assignments;
  int64_t tasks = 32;
  bool json = false;
};

/// The line of a config that takes `options`: what the estimator reads, and no more.
run::Json config_line(const bilevel::EstimatorOptions& options) {
  run::Json line = {{"estimator", options.estimator}};
  if (const auto base = bilevel::base_of(options)) {
    line["base"] = run::print_value(*base);
  }
  if (bilevel::tosses_coins(options)) {
    line["q"] = std::round(1000 * options.q.value) / 1000;
  }
  if (options.memory != bilevel::EstimatorOptions{}.memory) {
    line["memory"] = word_of(options.memory);
  }
  return {{"meta_gradient", line}};
}

run::Json as_json(const Advice& advice) {
  run::Json bases = run::Json::array(), choices = run::Json::array();
  for (const BaseMoment& base : advice.bases) {
    bases.push_back({{"base", run::print_value(base.base)},
                     {"d2", base.bias_squared},
                     {"share_of_v2", base.bias_squared / advice.norm_squared},
                     {"q", base.probability},
                     {"cost_ratio", base.cost_ratio}});
  }
  for (const Choice& choice : advice.choices) {
    run::Json row = {{"method", bilevel::method_name(choice.options)},
                     {"config", config_line(choice.options)},
                     {"memory", word_of(choice.options.memory)},
                     {"left_out", choice.left_out},
                     {"second_moment", choice.second_moment},
                     {"gradient_calls", choice.gradient_calls},
                     {"milliseconds", choice.milliseconds},
                     {"peak_tensor_bytes", choice.tensor_bytes}};
    if (choice.unbiased()) {
      row["variance_times_cost"] = choice.variance_times_cost();
    }
    choices.push_back(row);
  }
  return {{"tasks", advice.tasks},
          {"v2", advice.norm_squared},
          {"bases", bases},
          {"choices", choices},
          {"recommended", config_line(advice.choices[advice.recommended].options)},
          {"reason", advice.reason}};
}

void print_readably(const Advice& advice) {
  std::printf("V^2, the mean square of the exact gradient: %.4g, over %lld training tasks\n",
              advice.norm_squared, static_cast<long long>(advice.tasks));
  std::printf("\n%-34s %-21s %9s %9s %9s %9s %12s\n", "method", "memory", "left out", "calls", "ms", "MB",
              "var x cost");
  for (const Choice& choice : advice.choices) {
    std::printf("%-34s %-21s %8.1f%% %9.1f %9.2f %9.1f ", bilevel::method_name(choice.options).c_str(),
                word_of(choice.options.memory).c_str(), 100 * choice.left_out, choice.gradient_calls,
                choice.milliseconds, static_cast<double>(choice.tensor_bytes) / 1e6);
    if (choice.unbiased()) {
      std::printf("%12.4g\n", choice.variance_times_cost());
    } else {
      std::printf("%12s\n", "biased");
    }
  }
  std::printf(
      "\nleft out: ||G - estimate||^2 in the mean, of V^2. calls, ms: of a task, in gradient calls by the arithmetic "
      "and measured.\nvar x cost: second moment times calls, which the error after a given amount of work grows with.\n");
  const Choice& best = advice.choices[advice.recommended];
  std::printf("\nrecommended: %s\n  because %s\n", config_line(best.options).dump().c_str(),
              advice.reason.c_str());
}

int print_advice(const AdviseArguments& arguments) {
  const train::Workspace workspace(run::load_config(arguments.config, arguments.assignments));
  if (workspace.options().inner.steps == 0) {
    throw ConfigError(
        "advise: need at least 1 inner step, got inner.steps 0: without one all estimators give the same gradient");
  }
  const run::Checkpoint start = train::checkpoint_or_initial(workspace, arguments.checkpoint);
  const Advice advice = advise(workspace, start.parameters.to(workspace.device()), arguments.tasks);
  if (arguments.json) {
    std::printf("%s\n", as_json(advice).dump(2).c_str());
  } else {
    print_readably(advice);
  }
  return 0;
}

}  // namespace

void add_advise(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<AdviseArguments>();
  CLI::App* command = add_command(
      app, action, "advise", "Measure which estimator of the meta-gradient suits a config",
      "ufo-maml advise configs/omniglot_20way_1shot_maml.json --checkpoint runs/maml/checkpoints/best.safetensors",
      [arguments] { return print_advice(*arguments); });
  add_config_arguments(*command, arguments->config, arguments->assignments);
  add_threads(*command);
  command->add_option(
      "--checkpoint", arguments->checkpoint,
      "parameters (default: the initialisation of the seed, where D^2 is not that of a trained network)");
  command->add_option("--tasks", arguments->tasks, "training tasks to measure on")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{2}, int64_t{100000}));
  command->add_flag("--json", arguments->json, "print one JSON object");
}

}  // namespace ufo::cli
