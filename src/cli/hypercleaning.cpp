#include "cli/experiment.h"
#include "run/json.h"
#include "run/options_json.h"

#include <cmath>
#include <cstdio>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <ufo/base/error.h>
#include <ufo/base/parallel.h>
#include <ufo/experiment/cleaning_data.h>
#include <ufo/experiment/hypercleaning.h>

namespace ufo::cli {
namespace {

using experiment::CleaningData;
using experiment::CleaningOptions;
using experiment::CleaningResult;
using experiment::CleaningRun;

struct CleaningArguments {
  std::string output = "runs/hypercleaning", omniglot = "data/omniglot", mnist;
  CleaningOptions options;
};

template <class Value>
std::vector<Value> values_of(const at::Tensor& tensor, at::ScalarType dtype) {
  const at::Tensor flat = tensor.to(dtype).contiguous();
  const auto* data = flat.const_data_ptr<Value>();
  return {data, data + flat.numel()};
}

run::Json print_run(const CleaningRun& run) {
  run::Json records = run::Json::array();
  for (const auto& record : run.records) {
    records.push_back({{"step", record.step},
                       {"gradients", record.gradients},
                       {"validation_loss", record.validation_loss},
                       {"test_accuracy", record.test_accuracy},
                       {"auc", record.auc}});
  }
  run::Json json = {{"estimator", run.estimator}};
  if (run.q > 0) {
    json["q"] = run.q;
  }
  json["records"] = std::move(records);
  json["weights"] = values_of<float>(run.weights, at::kFloat);
  return json;
}

run::Json print_result(const CleaningData& data, const CleaningOptions& options,
                       const CleaningResult& result) {
  run::Json runs = run::Json::array();
  for (const auto& run : result.runs) {
    runs.push_back(print_run(run));
  }
  return {{"config", run::print_options(options)},
          {"data",
           {{"description", data.description},
            {"classes", data.classes},
            {"features", data.train.features.size(1)},
            {"train", data.train.labels.size(0)},
            {"validation", data.validation.labels.size(0)},
            {"test", data.test.labels.size(0)}}},
          {"uncleaned_accuracy", result.uncleaned_accuracy},
          {"oracle_accuracy", result.oracle_accuracy},
          {"validation_only_accuracy", result.validation_accuracy},
          {"corrupted", values_of<int32_t>(data.corrupted, at::kInt)},
          {"runs", std::move(runs)}};
}

/// Four digits, or a dash where none or all of the labels are wrong.
std::string auc_text(double auc) {
  char text[16];
  std::snprintf(text, sizeof text, "%.4f", auc);
  return std::isnan(auc) ? "-" : text;
}

void print_table(const CleaningData& data, const CleaningOptions& options, const CleaningResult& result) {
  const auto size = [](const experiment::Labelled& set) {
    return static_cast<long long>(set.labels.size(0));
  };
  std::printf(
      "%s\n%lld training examples, %lld of them mislabelled; %lld for validation, %lld for the test\n",
      data.description.c_str(), size(data.train),
      static_cast<long long>(data.corrupted.sum().item<int64_t>()), size(data.validation), size(data.test));
  std::printf("%lld inner steps of rate %g, %lld outer steps of rate %g\n\n",
              static_cast<long long>(options.inner.steps), options.inner.learning_rate,
              static_cast<long long>(options.steps), options.outer_rate);
  std::printf("weights               test accuracy      AUC   gradients a step\n");
  std::printf("%-21s %12.2f%%\n", "all equal", 100 * result.uncleaned_accuracy);
  for (const auto& run : result.runs) {
    const auto& last = run.records.back();
    char name[32];
    std::snprintf(name, sizeof name, run.q > 0 ? "%s q=%g" : "%s", run.estimator.c_str(), run.q);
    std::printf("%-21s %12.2f%% %8s %18.1f\n", name, 100 * last.test_accuracy, auc_text(last.auc).c_str(),
                last.gradients / static_cast<double>(options.steps));
  }
  std::printf("%-21s %12.2f%% %8.4f\n", "the right ones only", 100 * result.oracle_accuracy, 1.0);
  std::printf("%-21s %12.2f%%\n", "(validation set only)", 100 * result.validation_accuracy);
}

int hypercleaning(const CleaningArguments& arguments) {
  const auto& options = arguments.options;
  set_task_threads(at::get_num_threads());
  at::set_num_threads(1);
  check_options(options);
  const auto seed = static_cast<uint64_t>(options.seed);
  CleaningData data = arguments.mnist.empty() ? experiment::omniglot_cleaning_data(arguments.omniglot, seed)
                                              : experiment::mnist_cleaning_data(arguments.mnist, seed);
  make_output_folder(arguments.output);
  standardize(data);
  corrupt_labels(data, options.corruption, seed);
  const auto result = run_hypercleaning(data, options);
  print_table(data, options, result);
  write_experiment(arguments.output, "hypercleaning", print_result(data, options, result));
  return 0;
}

}  // namespace

void add_hypercleaning(CLI::App& experiment, Action& action) {
  auto arguments = std::make_shared<CleaningArguments>();
  CleaningOptions& options = arguments->options;
  CLI::App* command =
      add_command(experiment, action, "hypercleaning", "Find mislabelled training examples by their weights",
                  "ufo-maml experiment hypercleaning --output runs/hypercleaning --corruption 0.3",
                  [arguments] { return hypercleaning(*arguments); });
  command->add_option("-o,--output", arguments->output, "folder for hypercleaning.json")
      ->capture_default_str();
  command
      ->add_option("--seed", options.seed, "seed of the choice of examples, the wrong labels and the coins")
      ->capture_default_str();
  CLI::Option* omniglot =
      command->add_option("--omniglot", arguments->omniglot, "folder of Omniglot")->capture_default_str();
  command->add_option("--mnist", arguments->mnist, "folder with MNIST's four IDX files, to use these instead")
      ->excludes(omniglot);
  command->add_option("--corruption", options.corruption, "share of the training labels that are wrong")
      ->capture_default_str();
  command->add_option("--steps", options.steps, "outer steps")->capture_default_str();
  command->add_option("--outer-rate", options.outer_rate, "outer step size")->capture_default_str();
  command->add_option("--inner-steps", options.inner.steps, "inner steps")->capture_default_str();
  command->add_option("--inner-rate", options.inner.learning_rate, "inner step size")->capture_default_str();
  add_threads(*command);
}

}  // namespace ufo::cli
