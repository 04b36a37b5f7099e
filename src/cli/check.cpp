#include "cli/command.h"
#include "cli/self_check.h"

#include <algorithm>
#include <cstdio>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/train/device.h>
#include <ufo/train/schedule.h>
#include <ufo/train/workspace.h>

namespace ufo::cli {
namespace {

constexpr int64_t kMostTasks = 2, kMostSteps = 5, kDraws = 4000;
constexpr double kDifferenceBound = 1e-5;  ///< what rounding and kinks leave of a central difference
constexpr double kRoundingBound = 1e-10;   ///< two orders of summation in float64
constexpr double kStandardErrors = 4;

struct CheckArguments {
  std::string config;
  std::vector<std::string> assignments;
};

/// Prints the lines of the report and remembers whether one failed.
class Report {
 public:
  void compare(const std::string& what, double found, double bound, const std::string& remark = "") {
    const bool passed = found <= bound;  // not a number fails
    failed_ = failed_ || !passed;
    std::printf("%-4s  %-56s %8.2g  at most %g%s\n", passed ? "ok" : "FAIL", what.c_str(), found, bound,
                remark.c_str());
    std::fflush(stdout);
  }

  void tell(const std::string& what) { std::printf("note  %s\n", what.c_str()); }

  int exit_code() const { return failed_ ? 1 : 0; }

 private:
  bool failed_ = false;
};

/// Whether the network differentiates itself here.
bool has_own_derivatives(const train::Workspace& workspace, const episode::EpisodeBatch& batch,
                         const at::Tensor& theta) {
  const auto start = workspace.learner().with_body(theta).unsqueeze(0);
  const auto phi = start.expand({batch.support_images.size(0), start.size(1)}).contiguous();
  return workspace.network().tape(phi, batch.support_images.to(theta.options()),
                                  batch.support_labels.to(theta.device()),
                                  nn::Derivatives::hessian_products) != nullptr;
}

/// The problem of `batch`, with the outer objective of the first step.
bilevel::ClassificationProblem first_problem(const train::Workspace& workspace,
                                             const episode::EpisodeBatch& batch, const at::Tensor& theta,
                                             const bilevel::InnerOptions& inner, bilevel::Engine engine) {
  auto problem = train::make_problem(workspace.learner(), batch, theta, engine);
  const at::Tensor weights = train::outer_weights(workspace.options().outer, inner.steps, 0);
  problem.weigh_outer(weights.defined() ? weights.to(theta.options()) : weights);
  return problem;
}

void check_exact(Report& report, const train::Workspace& workspace, const episode::EpisodeBatch& batch,
                 const at::Tensor& theta, const bilevel::InnerOptions& inner) {
  const auto problem = first_problem(workspace, batch, theta, inner, workspace.engine());
  const auto mean = [&](bilevel::Memory memory) {
    return bilevel::exact_gradient(problem, theta, inner, memory).gradient.mean(0);
  };
  const at::Tensor exact = mean(bilevel::Memory::store_linearizations);
  report.compare(
      "exact against central differences",
      central_difference_error(problem, theta, exact, inner, static_cast<uint64_t>(workspace.options().seed)),
      kDifferenceBound);
  report.compare("exact against one autograd graph through all steps",
                 relative_error(exact, one_graph_gradient(workspace.learner(), batch, theta, inner,
                                                          problem.outer_weights())),
                 kRoundingBound);
  report.compare("exact keeping parameters against keeping linearizations",
                 relative_error(mean(bilevel::Memory::store_parameters), exact), kRoundingBound);
  report.compare("exact recomputing against keeping linearizations",
                 relative_error(mean(bilevel::Memory::recompute), exact), kRoundingBound);
  if (workspace.engine() != bilevel::Engine::autograd && has_own_derivatives(workspace, batch, theta)) {
    const auto by_autograd = first_problem(workspace, batch, theta, inner, bilevel::Engine::autograd);
    const auto expected =
        bilevel::exact_gradient(by_autograd, theta, inner, bilevel::Memory::store_linearizations)
            .gradient.mean(0);
    report.compare("hand-written derivatives against autograd", relative_error(exact, expected),
                   kRoundingBound);
  } else {
    report.tell("autograd differentiates this network here; there are no hand-written derivatives to check");
  }
}

void check_bias(Report& report, const train::Workspace& workspace, const episode::EpisodeBatch& batch,
                const at::Tensor& theta, const bilevel::InnerOptions& inner) {
  const auto& estimator = workspace.options().meta_gradient;
  const bool fixed = bilevel::tosses_coins(estimator) && !estimator.q.adaptive && !estimator.q.to;
  const double q = fixed && estimator.q.value < 1 ? estimator.q.value : 0.2;
  const auto problem = first_problem(workspace, batch, theta, inner, workspace.engine());
  const auto bias = measure_bias(problem, theta, inner, workspace.learner().layout(), q, kDraws,
                                 static_cast<uint64_t>(workspace.options().seed));
  char what[128];
  std::snprintf(what, sizeof what, "mean of %lld UFO estimates (q=%g), standard errors",
                static_cast<long long>(kDraws), q);
  report.compare(what, bias.ufo.standard_errors, kStandardErrors, ", in " + bias.ufo.block);
  std::snprintf(
      what, sizeof what, "first-order lies %.1f standard errors away or more (%s), so its bias is %s",
      bias.first_order.standard_errors, bias.first_order.block.c_str(),
      bias.first_order.standard_errors > kStandardErrors ? "seen in every block" : "below the noise there");
  report.tell(what);
}

int check(const CheckArguments& arguments) {
  const train::Workspace workspace(run::load_config(arguments.config, arguments.assignments));
  const auto& options = workspace.options();
  if (options.inner.optimizer != bilevel::InnerOptimizer::gradient_descent || options.inner.batch > 0) {
    throw ConfigError(
        "check: need inner.optimizer gradient_descent and inner.batch 0, whose derivatives are checked, got " +
        word_of(options.inner.optimizer) + " and " + std::to_string(options.inner.batch));
  }
  const int64_t tasks = std::min(options.outer.meta_batch, kMostTasks);
  bilevel::InnerOptions inner = options.inner;
  inner.steps = std::min(inner.steps, kMostSteps);

  std::printf("%s in float64 on %s: %lld tasks, %lld inner step%s of rate %g, %lld parameters\n",
              arguments.config.c_str(), workspace.device().str().c_str(), static_cast<long long>(tasks),
              static_cast<long long>(inner.steps), inner.steps == 1 ? "" : "s", inner.learning_rate,
              static_cast<long long>(workspace.network().layout().size()));
  if (tasks < options.outer.meta_batch) {
    std::printf("(of the config's %lld tasks a meta-batch, to be quick)\n",
                static_cast<long long>(options.outer.meta_batch));
  }
  if (inner.steps < options.inner.steps) {
    std::printf("(of the config's %lld inner steps, to be quick)\n",
                static_cast<long long>(options.inner.steps));
  }
  const auto batch = workspace.training_sampler().batch(data::Split::train, 0, tasks);
  const at::Tensor theta = workspace.initial_parameters().to(at::kDouble);
  Report report;
  check_exact(report, workspace, batch, theta, inner);
  if (inner.steps > 0) {
    check_bias(report, workspace, batch, theta, inner);
  } else {
    report.tell("without an inner step all estimators give the same gradient; there is no bias to measure");
  }
  return report.exit_code();
}

}  // namespace

void add_check(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<CheckArguments>();
  CLI::App* command = add_command(app, action, "check", "Check the meta-gradients of a config in float64",
                                  "ufo-maml check configs/omniglot_20way_1shot_ufo.json --set inner.steps=3",
                                  [arguments] { return check(*arguments); });
  add_config_arguments(*command, arguments->config, arguments->assignments);
  add_threads(*command);
}

}  // namespace ufo::cli
