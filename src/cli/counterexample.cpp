#include "cli/experiment.h"
#include "run/json.h"
#include "run/options_json.h"

#include <cstdio>

#include <ufo/experiment/counterexample.h>

namespace ufo::cli {
namespace {

using experiment::CounterexampleOptions;
using experiment::CounterexampleResult;
using experiment::EstimatorRuns;

struct CounterexampleArguments {
  std::string output = "runs/counterexample";
  CounterexampleOptions options;
};

run::Json print_tasks(const experiment::TwoTasks& tasks) {
  run::Json bowls = run::Json::array();
  for (const auto& bowl : tasks.bowls) {
    bowls.push_back({{"a", bowl.curvature}, {"b", bowl.curvature * bowl.centre}, {"A", bowl.radius}});
  }
  return {{"tasks", std::move(bowls)},
          {"inner_steps", tasks.inner.steps},
          {"inner_learning_rate", tasks.inner.learning_rate},
          {"D", tasks.bias},
          {"optimum", tasks.optimum},
          {"first_order_limit", tasks.first_order_limit},
          {"gradient_norm_at_first_order_limit", tasks.gradient_bound}};
}

run::Json print_runs(const EstimatorRuns& estimator) {
  run::Json runs = run::Json::array();
  for (const auto& run : estimator.runs) {
    runs.push_back({{"start", run.start}, {"end", run.end}, {"gradient_norms", run.gradient_norms}});
  }
  run::Json json = {{"estimator", estimator.estimator}};
  if (estimator.q > 0) {
    json["q"] = estimator.q;
  }
  json["final_gradient_norm"] = estimator.final_gradient_norm();
  json["final_squared_norm"] = estimator.final_squared_norm();
  json["gradients_per_step"] = estimator.gradients_per_step;
  json["runs"] = std::move(runs);
  return json;
}

run::Json print_result(const CounterexampleOptions& options, const CounterexampleResult& result) {
  run::Json estimators = run::Json::array();
  for (const auto& estimator : result.estimators) {
    estimators.push_back(print_runs(estimator));
  }
  const auto& landscape = result.landscape;
  return {{"config", run::print_options(options)},
          {"family", print_tasks(result.tasks)},
          {"landscape",
           {{"x", landscape.x},
            {"first_task", landscape.first_task},
            {"second_task", landscape.second_task},
            {"meta_objective", landscape.meta_objective}}},
          {"steps", result.recorded_steps},
          {"estimators", std::move(estimators)}};
}

void print_table(const CounterexampleOptions& options, const CounterexampleResult& result) {
  const auto& tasks = result.tasks;
  std::printf(
      "two tasks, %lld inner steps of rate %g; "
      "%lld outer steps of rate %g/(k+1) from %lld starts in [%g, %g]\n"
      "M is least at %.4f; "
      "first-order is at rest at %.4f, where |M'| = sqrt(2 D) = %.4f, its square %.4f\n\n",
      static_cast<long long>(tasks.inner.steps), tasks.inner.learning_rate,
      static_cast<long long>(options.steps), options.outer_rate, static_cast<long long>(options.runs),
      options.lowest_start, options.highest_start, tasks.optimum, tasks.first_order_limit,
      tasks.gradient_bound, 2 * tasks.bias);
  std::printf("                 --------- end ---------   ---------- |M'| there ----------\n");
  std::printf("estimator        mean    least     most      mean     most  mean square   gradients a step\n");
  for (const auto& estimator : result.estimators) {
    double sum = 0, least = estimator.runs[0].end, most = least, steepest = 0;
    for (const auto& run : estimator.runs) {
      sum += run.end;
      least = std::min(least, run.end);
      most = std::max(most, run.end);
      steepest = std::max(steepest, run.gradient_norms.back());
    }
    char name[32];
    std::snprintf(name, sizeof name, estimator.q > 0 ? "%s q=%g" : "%s", estimator.estimator.c_str(),
                  estimator.q);
    std::printf("%-12s %8.3f %8.3f %8.3f  %8.4f %8.4f %12.6f %18.1f\n", name,
                sum / static_cast<double>(estimator.runs.size()), least, most,
                estimator.final_gradient_norm(), steepest, estimator.final_squared_norm(),
                estimator.gradients_per_step);
  }
}

int counterexample(const CounterexampleArguments& arguments) {
  check_ranges(arguments.options, "counterexample");
  make_output_folder(arguments.output);
  const auto result = run_counterexample(arguments.options);
  print_table(arguments.options, result);
  write_experiment(arguments.output, "counterexample", print_result(arguments.options, result));
  return 0;
}

}  // namespace

void add_counterexample(CLI::App& experiment, Action& action) {
  auto arguments = std::make_shared<CounterexampleArguments>();
  CLI::App* command = add_command(experiment, action, "counterexample",
                                  "Two tasks where SGD with first-order gradients does not converge",
                                  "ufo-maml experiment counterexample --output runs/counterexample --seed 2",
                                  [arguments] { return counterexample(*arguments); });
  command->add_option("-o,--output", arguments->output, "folder for counterexample.json")
      ->capture_default_str();
  command
      ->add_option("--seed", arguments->options.seed, "seed of the starts, the draws of tasks and the coins")
      ->capture_default_str();
  command->add_option("--steps", arguments->options.steps, "outer steps")->capture_default_str();
  command->add_option("--q", arguments->options.q, "UFO's probability of the exact branch")
      ->capture_default_str();
  add_threads(*command);
}

}  // namespace ufo::cli
