#include "cli/allocation_meter.h"
#include "cli/command.h"
#include "cli/sweep.h"
#include "cli/workload.h"
#include "run/json.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include <c10/core/impl/VirtualGuardImpl.h>
#include <stdlib.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/parallel.h>
#include <ufo/nn/kernel_runner.h>
#include <ufo/nn/profile.h>
#include <ufo/run/method_name.h>
#include <ufo/run/provenance.h>
#include <ufo/train/device.h>
#include <ufo/train/trainer.h>
#include <ufo/train/workspace.h>

namespace ufo::cli {
namespace {

namespace fs = std::filesystem;

struct BenchmarkArguments {
  std::string config;
  std::vector<std::string> assignments;
  int64_t warm_up = 3;
  int64_t steps = 30;
  bool json = false;
  std::string sweep, output;
};

/// Takes the time between the ends of outer steps, over `together` steps at a time: a device tells of each
/// some steps late, and of several at once.
class StepTimer final : public run::MetricSink {
 public:
  StepTimer(int64_t warm_up, int64_t together) : warm_up_(warm_up), together_(together) {}

  void record(const run::MetricRecord& record) override {
    const auto now = Clock::now();
    if (record.step == warm_up_) {
      nn::start_profile();
      last_ = now;
    }
    if (record.step > warm_up_) {
      gradient_calls += record.gradient_calls;
      hessian_products += record.hessian_products;
      if ((record.step - warm_up_) % together_ == 0) {
        milliseconds.push_back(std::chrono::duration<double, std::milli>(now - last_).count() /
                               static_cast<double>(together_));
        last_ = now;
      }
    }
  }

  int64_t together() const { return together_; }

  std::vector<double> milliseconds;
  int64_t gradient_calls = 0, hessian_products = 0;

 private:
  using Clock = std::chrono::steady_clock;
  int64_t warm_up_, together_;
  Clock::time_point last_ = Clock::now();
};

/// A folder that goes with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "ufo-maml-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw UserError(name + ": cannot make a temporary folder");
    }
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Trains for `steps` outer steps, and lets `timer` watch.
void run_steps(const train::Workspace& workspace, int64_t steps, StepTimer& timer) {
  run::RunOptions options = workspace.options();
  options.outer.steps = steps;
  options.validation.every = 0;
  options.checkpoint_every = options.outer.steps;
  options.log_every = 1;  // a device reports after every step, so that each can be timed
  const TemporaryFolder folder;
  const auto sampler = workspace.training_sampler();
  const auto estimator = workspace.make_estimator();
  bilevel::Coin coin = make_coin(options.meta_gradient, *estimator);
  const run::Checkpoint start{.parameters = workspace.initial_parameters(), .config = "{}"};
  const auto optimizer = train::make_outer_optimizer(options.outer, start.parameters);
  train::Trainer trainer({.sampler = sampler,
                          .validation_sampler = sampler,
                          .learner = workspace.learner(),
                          .estimator = *estimator,
                          .coin = coin,
                          .optimizer = *optimizer,
                          .sinks = {&timer},
                          .last = folder.path() / "last.safetensors",
                          .best = folder.path() / "best.safetensors",
                          .make_graph_pool = train::graph_pool_maker(workspace.device())},
                         options);
  trainer.run(start);
}

/// Waits until `device` has done all that it was given.
void wait_for(at::Device device) {
  if (!device.is_cpu()) {
    c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
  }
}

/// The least time of some calls and of what they give `device` to do, in seconds.
template <class Work>
double least_seconds(at::Device device, Work&& work) {
  double least = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 10; ++repeat) {
    wait_for(device);
    const auto start = std::chrono::steady_clock::now();
    work();
    wait_for(device);
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

/// `flops` by all threads while they were in convolutions; 0 where the kernels did not run.
double convolution_gflops(const nn::Profile& profile, double flops) {
  const double seconds = profile.seconds[0];
  return seconds > 0 ? flops / seconds * static_cast<double>(task_threads()) / 1e9 : 0;
}

/// The share of an outer step of `step_seconds` that goes into each part; the engine's parts only where the
/// kernels ran. The next batch is sampled beside the step, not within it.
run::Json shares(const train::Workspace& workspace, const nn::Profile& profile, double all_seconds,
                 double step_seconds) {
  run::Json parts = run::Json::object();
  const double available = all_seconds * static_cast<double>(task_threads());
  for (size_t i = 0; i < profile.seconds.size(); ++i) {
    if (profile.seconds[i] > 0) {
      parts[nn::kPartNames[i]] = profile.seconds[i] / available;
    }
  }
  const auto& options = workspace.options();
  const auto sampler = workspace.training_sampler();
  at::Tensor theta = workspace.initial_parameters();
  const at::Tensor gradient = at::ones_like(theta);
  const auto optimizer = train::make_outer_optimizer(options.outer, theta);
  parts["outer optimizer"] =
      least_seconds(workspace.device(), [&] { optimizer->step(theta, gradient); }) / step_seconds;
  const auto draw = [&] {
    if (workspace.device().is_cpu()) {
      sampler.batch(data::Split::train, 0, options.outer.meta_batch);
    } else {
      sampler.indices(data::Split::train, 0, options.outer.meta_batch);  // a device has the images
    }
  };
  parts["sampling (beside the step)"] = least_seconds(at::kCPU, draw) / step_seconds;
  return parts;
}

run::Json measure(const train::Workspace& workspace, int64_t warm_up, int64_t steps) {
  const auto& options = workspace.options();
  start_allocation_meter(workspace.device());
  constexpr int64_t kToldTogether = 10;  // by a device, at most
  StepTimer timer(warm_up, workspace.device().is_cpu() ? 1 : std::min(steps, kToldTogether));
  steps -= steps % timer.together();
  run_steps(workspace, warm_up + steps, timer);
  const nn::Profile profile = nn::stop_profile();
  auto times = timer.milliseconds;
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  double seconds = 0;
  for (const double time : times) {
    seconds += time / 1e3 * static_cast<double>(timer.together());
  }

  // Reptile takes no gradient of the query images.
  const bool has_outer = bilevel::has_outer_gradient(options.meta_gradient);
  const int64_t outer_gradients = has_outer ? steps * options.outer.meta_batch : 0;
  const auto costs = workspace.network().multiply_adds(workspace.input());
  const int64_t all = options.episode.ways * options.episode.shots, batch = options.inner.batch;
  const int64_t support = batch > 0 ? std::min(batch, all) : all,
                query = options.episode.ways * options.episode.queries;
  // Through the support statistics, or a prototype, the outer gradient passes the support images too.
  const bool together = workspace.network().batch_norm_mode() == nn::BatchNorm::support ||
                        workspace.learner().head == nn::Head::prototype;
  const auto base = bilevel::base_of(options.meta_gradient);
  const bool stops = base && base->second_order();
  const double operations = step_operations(
      costs, {.support_images = support,
              .outer_images = together ? support + query : query,
              .gradient_calls = timer.gradient_calls,
              .outer_gradients = outer_gradients,
              .hessian_products = timer.hessian_products,
              .partial_products = stops ? steps * options.outer.meta_batch * options.inner.steps : 0,
              .blocks = stops ? base->blocks() : 0});
  const int64_t tensor_bytes = peak_tensor_bytes(workspace.device()), resident_bytes = peak_resident_bytes();
  const double gflops = operations / seconds / 1e9, gemm = measure_gemm_gflops(workspace.device());
  const auto facts =
      run::provenance_of_program(options.seed, workspace.device(), train::hardware_name(workspace.device()));
  return {
      {"method", run::method_name(options)},
      {"steps", steps},
      {"milliseconds_per_step", median},
      {"milliseconds_min", times.front()},
      {"milliseconds_max", times.back()},
      {"tasks_per_second", static_cast<double>(options.outer.meta_batch) / (median / 1e3)},
      {"gradients_per_step", static_cast<double>(timer.gradient_calls) / static_cast<double>(steps)},
      {"hessian_products_per_step", static_cast<double>(timer.hessian_products) / static_cast<double>(steps)},
      {"parts", shares(workspace, profile, seconds, median / 1e3)},
      {"convolution_gflops", convolution_gflops(profile, profile.convolution_flops)},
      {"convolution_gflops_as_direct", convolution_gflops(profile, profile.direct_convolution_flops)},
      {"gflops", gflops},
      {"gemm_gflops", gemm},
      {"share_of_gemm", gflops / gemm},
      {"peak_tensor_bytes", tensor_bytes},
      {"peak_resident_bytes", resident_bytes},
      {"own_kernels", workspace.device().is_cpu() || nn::has_kernel_runner(workspace.device().type())},
      {"device", facts.device},
      {"hardware", facts.hardware},
      {"threads", task_threads()},
      {"revision", facts.revision}};
}

void print_readably(const run::Json& result, const run::RunOptions& options) {
  const auto number = [&](const char* name) { return result.at(name).get<double>(); };
  std::printf("%s, %lld-way %lld-shot %s, %lld tasks a step, %lld inner step%s\n",
              result.at("method").get<std::string>().c_str(), static_cast<long long>(options.episode.ways),
              static_cast<long long>(options.episode.shots), options.dataset.name.c_str(),
              static_cast<long long>(options.outer.meta_batch), static_cast<long long>(options.inner.steps),
              options.inner.steps == 1 ? "" : "s");
  std::printf("%s, %s, %d threads\n\n", result.at("device").get<std::string>().c_str(),
              result.at("hardware").get<std::string>().c_str(), result.at("threads").get<int>());
  std::printf("time a step    %.2f ms (median of %.0f; %.2f to %.2f)\n", number("milliseconds_per_step"),
              number("steps"), number("milliseconds_min"), number("milliseconds_max"));
  std::printf("tasks          %.1f a second\n", number("tasks_per_second"));
  std::printf("work           %.1f gradients and %.1f Hessian products a step\n",
              number("gradients_per_step"), number("hessian_products_per_step"));
  std::printf(
      "arithmetic     %.1f GFLOP/s in convolutions and linear layers, "
      "%.0f%% of this machine's matrix product (%.1f)\n",
      number("gflops"), 100 * number("share_of_gemm"), number("gemm_gflops"));
  if (number("convolution_gflops") > 0) {
    std::printf(
        "convolutions   %.1f GFLOP/s while they run, "
        "%.1f counted as the direct form, zeros of the padding not counted\n",
        number("convolution_gflops"), number("convolution_gflops_as_direct"));
  }
  const char* title = "time by part";
  for (const auto& [name, share] : result.at("parts").items()) {
    std::printf("%-14s %5.1f%%  %s\n", title, 100 * share.get<double>(), name.c_str());
    title = "";
  }
  std::printf("peak memory    %.1f MB of tensors, %.1f MB resident\n", number("peak_tensor_bytes") / 1e6,
              number("peak_resident_bytes") / 1e6);
}

int sweep(const BenchmarkArguments& arguments) {
  const run::Json result = run_sweep({arguments.config, arguments.assignments, parse_sweep(arguments.sweep),
                                      arguments.warm_up, arguments.steps});
  if (!arguments.output.empty()) {
    write_file_atomically(arguments.output, result.dump(1) + "\n");
  }
  std::fputs(arguments.json ? (result.dump(2) + "\n").c_str() : sweep_tables(result).c_str(), stdout);
  return 0;
}

int benchmark(const BenchmarkArguments& arguments) {
  if (!arguments.sweep.empty()) {
    return sweep(arguments);
  }
  const run::Config config = run::load_config(arguments.config, arguments.assignments);
  start_allocation_meter(at::kCPU);
  const train::Workspace workspace(config);
  const run::Json result = measure(workspace, arguments.warm_up, arguments.steps);
  if (!arguments.output.empty()) {
    write_file_atomically(arguments.output, result.dump(1) + "\n");
  }
  if (arguments.json) {
    std::puts(result.dump(2).c_str());
  } else {
    print_readably(result, workspace.options());
  }
  return 0;
}

}  // namespace

void add_benchmark(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<BenchmarkArguments>();
  CLI::App* command = add_command(
      app, action, "benchmark", "Time real outer steps of a config, and count their arithmetic and memory",
      "ufo-maml benchmark configs/omniglot_5way_1shot_maml.json --steps 50 --json",
      [arguments] { return benchmark(*arguments); });
  add_config_arguments(*command, arguments->config, arguments->assignments);
  add_threads(*command);
  command->add_option("--steps", arguments->steps, "outer steps to time")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  command->add_option("--warm-up", arguments->warm_up, "outer steps before them")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  command->add_flag("--json", arguments->json, "print one JSON object");
  command->add_option(
      "--sweep", arguments->sweep,
      "an option and its values, PATH=VALUE,VALUE,...: time and peak memory of first-order, exact in "
      "each memory mode and UFO at each");
  command->add_option("-o,--output", arguments->output,
                      "file for the JSON object, as scripts/plot.py cost reads it");
}

}  // namespace ufo::cli
