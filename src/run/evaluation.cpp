#include <cmath>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <tuple>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>
#include <ufo/run/evaluation.h>
#include <ufo/run/method_name.h>

namespace ufo::run {

MeanWithInterval mean_with_interval(const std::vector<double>& values) {
  if (values.size() < 2) {
    throw std::invalid_argument("mean_with_interval: need at least 2 values, got " +
                                std::to_string(values.size()));
  }
  const double count = static_cast<double>(values.size());
  double sum = 0;
  for (double value : values) {
    sum += value;
  }
  const double mean = sum / count;
  double squares = 0;
  for (double value : values) {
    squares += (value - mean) * (value - mean);
  }
  return {.mean = mean, .interval = 1.96 * std::sqrt(squares / (count - 1)) / std::sqrt(count)};
}

std::string evaluated_name(const std::string& name, size_t members, EnsembleMean mean) {
  if (members == 0) {
    return name;
  }
  return name + ", ensemble of " + std::to_string(members) +
         (mean == EnsembleMean::logits ? " by logits" : "");
}

EvaluationResult summarize(const EpisodeCurves& curves) {
  EvaluationResult result;
  for (size_t step = 0; step < curves.accuracy.size(); ++step) {
    const MeanWithInterval accuracy = mean_with_interval(curves.accuracy[step]);
    result.accuracy_after_step.push_back(accuracy.mean);
    result.interval_after_step.push_back(accuracy.interval);
    result.loss_after_step.push_back(mean_with_interval(curves.loss[step]).mean);
  }
  result.task_accuracies = curves.accuracy.back();
  result.tasks = static_cast<int64_t>(result.task_accuracies.size());
  result.inner_steps = static_cast<int64_t>(curves.accuracy.size()) - 1;
  return result;
}

std::string settings_of(const EvaluationResult& result, const RunOptions& config) {
  const EvaluationOptions& defaults = config.evaluation;
  std::string settings;
  const auto add = [&](const std::string& name) { settings += (settings.empty() ? "" : "_") + name; };
  const auto add_number = [&](const char* name, auto value, auto usual) {
    if (value != usual) {
      add(name + std::to_string(value));
    }
  };
  add_number("tasks", result.tasks, defaults.tasks);
  add_number("steps", result.inner_steps, defaults.inner_steps);
  add_number("queries", result.queries, defaults.queries);
  add_number("ways", result.ways, config.evaluation_ways());
  if (result.head != config.evaluation_head()) {
    add(word_of(result.head));
  }
  add_number("seed", result.seed, kEvaluationSeed);
  add_number("ensemble", result.ensemble.size(), size_t{0});
  if (!result.ensemble.empty() && result.ensemble_mean != EnsembleMean::probabilities) {
    add(word_of(result.ensemble_mean));
  }
  if (result.ensemble.empty() && result.checkpoint == "last") {
    add("last");
  } else if (result.ensemble.empty() && result.checkpoint != "best") {
    const std::string path = std::filesystem::absolute(result.checkpoint).lexically_normal().string();
    Checksum checksum;  // files of one name may differ
    checksum.add(path.data(), path.size());
    add("checkpoint" + checksum.text());
  }
  return settings;
}

std::string method_of(const RunOptions& config, const EvaluationResult& result) {
  if (bilevel::trains_classifier(config.meta_gradient)) {
    RunOptions evaluated = config;
    evaluated.model.head = result.head;
    return method_name(evaluated);
  }
  const std::string name = method_name(config);
  return result.head == config.model.head ? name
                                          : name + ", evaluated with a " + word_of(result.head) + " head";
}

bool same_episodes(const EvaluationResult& a, const EvaluationResult& b) {
  const auto drawn_by = [](const EvaluationResult& result) {
    return std::tuple(result.split, result.seed, result.tasks, result.task_accuracies.size(), result.ways,
                      result.shots, result.queries);
  };
  return drawn_by(a) == drawn_by(b);
}

MeanWithInterval paired_difference(const EvaluationResult& a, const EvaluationResult& b) {
  if (!same_episodes(a, b)) {
    throw ConfigError(
        "paired difference: need two evaluations on the same episodes; split, seed, tasks, ways, shots "
        "or queries differ");
  }
  std::vector<double> differences(a.task_accuracies.size());
  std::transform(a.task_accuracies.begin(), a.task_accuracies.end(), b.task_accuracies.begin(),
                 differences.begin(), std::minus<>());
  return mean_with_interval(differences);
}

}  // namespace ufo::run
