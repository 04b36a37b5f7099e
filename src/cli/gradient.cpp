#include "cli/command.h"
#include "run/json.h"
#include "run/options_json.h"

#include <cstdio>

#include <ATen/ATen.h>

#include <ufo/base/safetensors.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/train/device.h>
#include <ufo/train/schedule.h>
#include <ufo/train/workspace.h>

namespace ufo::cli {
namespace {

struct GradientArguments {
  std::string config, output, checkpoint, dtype = "float32";
  std::vector<std::string> assignments;
  int64_t index = 0;
};

std::string base_word(bilevel::Base base) {
  const run::Json word = run::print_value(base);
  return word.is_string() ? word.get<std::string>() : word.dump();
}

/// "[0.2,0.8]"; "[]" for an undefined tensor.
std::string list_of(const at::Tensor& numbers) {
  run::Json list = run::Json::array();
  for (int64_t i = 0; numbers.defined() && i < numbers.size(0); ++i) {
    list.push_back(numbers[i].item<double>());
  }
  return list.dump();
}

/// All that a reader needs to build the network and the estimate again, beside the tensors.
std::map<std::string, std::string> describe_gradient(const run::RunOptions& options,
                                                     const bilevel::Learner& learner,
                                                     const bilevel::Coins& coins,
                                                     const at::Tensor& outer_weights) {
  run::Json tossed = run::Json::array();
  for (const bool heads : coins.exact) {
    tossed.push_back(heads ? 1 : 0);
  }
  const bool coin = bilevel::tosses_coins(options.meta_gradient);
  const auto base = bilevel::base_of(options.meta_gradient);
  std::map<std::string, std::string> metadata = {
      {"estimator", options.meta_gradient.estimator},
      {"base", base ? base_word(*base) : ""},
      {"q", coin ? run::Json(coins.probability).dump() : ""},
      {"coins", coin ? tossed.dump() : "[]"},
      {"inner_steps", std::to_string(options.inner.steps)},
      {"inner_learning_rate", run::Json(options.inner.learning_rate).dump()},
      {"inner_optimizer", word_of(options.inner.optimizer)},
      {"inner_batch", std::to_string(options.inner.batch)},
      {"inner_adapt", word_of(options.inner.adapt)},
      {"inner_norm", options.inner.norm ? "true" : "false"},
      {"inner_rate_body", run::Json(options.inner.rates.body).dump()},
      {"inner_rate_head", run::Json(options.inner.rates.head).dump()},
      {"outer_weights", list_of(outer_weights)},
      {"inner_weight_decay", run::Json(options.inner.weight_decay).dump()},
      {"head", word_of(learner.head)},
      {"model", options.model.name},
      {"ways", std::to_string(learner.ways())}};
  metadata.merge(nn::facts_of(options.model));
  return metadata;
}

void add_named(TensorFile& file, const std::string& prefix, const nn::Layout& layout,
               const at::Tensor& flat) {
  const auto tensors = layout.unpack(flat);
  for (size_t i = 0; i < tensors.size(); ++i) {
    file.tensors[prefix + layout.entries()[i].name] = tensors[i];
  }
}

int gradient(const GradientArguments& arguments) {
  const train::Workspace workspace(run::load_config(arguments.config, arguments.assignments));
  const auto& options = workspace.options();
  const auto estimator = workspace.make_estimator();
  bilevel::Coin coin = make_coin(options.meta_gradient, *estimator);
  const auto dtype = arguments.dtype == "float64" ? at::kDouble : at::kFloat;
  const run::Checkpoint start = train::checkpoint_or_initial(workspace, arguments.checkpoint);
  const at::Tensor theta = start.parameters.to(at::TensorOptions(workspace.device()).dtype(dtype));
  if (!start.estimator_state.empty()) {
    coin.restore(start.estimator_state);
  }
  if (arguments.index == start.step) {  // the next one of the run, which may take an adaptive q anew
    coin.begin(arguments.index);
  }

  const auto index = static_cast<uint64_t>(arguments.index);
  const int64_t tasks = options.outer.meta_batch;
  const auto batch =
      workspace.training_sampler().batch(data::Split::train, index * static_cast<uint64_t>(tasks), tasks);
  auto problem = train::make_problem(workspace.learner(), batch, theta, workspace.engine());
  const at::Tensor weights = train::outer_weights(options.outer, options.inner.steps, arguments.index);
  if (weights.defined()) {
    problem.weigh_outer(weights.to(theta.options()));
  }
  const bilevel::Coins coins = coin.toss(static_cast<uint64_t>(options.seed), index, tasks);
  const auto result = estimate_meta_gradient(problem, theta, *estimator, coins, bilevel::KeepTasks::yes);

  const nn::Layout layout = workspace.learner().layout();
  TensorFile file{.tensors = {{"support_images", batch.support_images.to(dtype)},
                              {"support_labels", batch.support_labels},
                              {"query_images", batch.query_images.to(dtype)},
                              {"query_labels", batch.query_labels}},
                  .metadata = describe_gradient(options, workspace.learner(), coins, weights)};
  add_named(file, "theta.", layout, theta);
  add_named(file, "gradient.", layout, result.gradient);
  add_named(file, "task_gradient.", layout, result.task_gradients);
  save_safetensors(arguments.output, file);
  workspace.learner().adam->take_from(result.gradient);  // which is written, and no part of the norm
  std::printf(
      "%s gradient of meta-batch %lld (%lld tasks) in %s: norm %.9g, loss %.9g, accuracy %.2f%%\n"
      "written      %s\n",
      options.meta_gradient.estimator.c_str(), static_cast<long long>(arguments.index),
      static_cast<long long>(tasks), arguments.dtype.c_str(), result.gradient.norm().item<double>(),
      result.loss, 100 * result.accuracy, arguments.output.c_str());
  return 0;
}

}  // namespace

void add_gradient(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<GradientArguments>();
  CLI::App* command = add_command(
      app, action, "gradient", "Write a meta-gradient with all that is needed to compute it elsewhere",
      "ufo-maml gradient configs/quickstart.json --output gradient.safetensors --dtype float64 "
      "--set outer.meta_batch=4",
      [arguments] { return gradient(*arguments); });
  add_config_arguments(*command, arguments->config, arguments->assignments);
  add_threads(*command);
  command->add_option("-o,--output", arguments->output, "safetensors file to write")->required();
  command->add_option("--checkpoint", arguments->checkpoint,
                      "parameters (default: the initialisation of the seed)");
  command
      ->add_option("--index", arguments->index,
                   "number of the training meta-batch; UFO's coins are those of this step")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--dtype", arguments->dtype, "float32 or float64")
      ->capture_default_str()
      ->check(CLI::IsMember({"float32", "float64"}));
}

}  // namespace ufo::cli
