#include "cli/self_check.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <ufo/base/random.h>
#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::cli {
namespace {

constexpr int kRandomDirections = 4;
constexpr double kStepSizes[] = {1e-3, 1e-4, 1e-5, 1e-6, 1e-7};

/// How much the outer objective after j inner steps counts.
double weight_of(const at::Tensor& weights, int64_t j, int64_t steps) {
  if (!weights.defined()) {
    return j == steps ? 1 : 0;
  }
  return j > 0 ? weights[j - 1].item<double>() : 0;
}

/// M(theta).
double objective(const bilevel::Problem& problem, const at::Tensor& theta,
                 const bilevel::InnerOptions& inner) {
  double sum = 0;
  int64_t j = 0;
  bilevel::visit_descent(problem, theta, inner, [&](const at::Tensor& phi) {
    const double weight = weight_of(problem.outer_weights(), j++, inner.steps);
    sum += weight == 0 ? 0 : weight * problem.outer_value(theta, phi).loss.mean().item<double>();
  });
  return sum;
}

at::Tensor random_direction(const at::Tensor& theta, uint64_t seed, uint64_t index) {
  RandomStream random(seed, Purpose::test, index);
  std::vector<double> values(static_cast<size_t>(theta.numel()));
  std::generate(values.begin(), values.end(), [&] { return random.normal(); });
  const at::Tensor direction = at::tensor(values, at::kDouble).to(theta.device());
  return direction / direction.norm();
}

/// ||x_block||^2 of each parameter block of x [P].
std::vector<double> block_squares(const nn::Layout& layout, const at::Tensor& x) {
  std::vector<double> squares;
  for (const auto& entry : layout.entries()) {
    squares.push_back(x.narrow(0, entry.offset, entry.size).square().sum().item<double>());
  }
  return squares;
}

/// How often each task's coin fell on the exact branch.
std::vector<int64_t> count_heads(int64_t tasks, double q, int64_t draws, uint64_t seed) {
  std::vector<int64_t> heads(static_cast<size_t>(tasks));
  for (int64_t draw = 0; draw < draws; ++draw) {
    const auto coins = bilevel::toss_coins(seed, static_cast<uint64_t>(draw), tasks, q);
    for (size_t task = 0; task < coins.exact.size(); ++task) {
      heads[task] += coins.exact[task];
    }
  }
  return heads;
}

}  // namespace

double central_difference_error(const bilevel::Problem& problem, const at::Tensor& theta,
                                const at::Tensor& gradient, const bilevel::InnerOptions& inner,
                                uint64_t seed) {
  const double norm = gradient.norm().item<double>();
  const double typical = norm / std::sqrt(static_cast<double>(theta.numel()));
  std::vector<at::Tensor> directions = {gradient / norm};
  for (int i = 0; i < kRandomDirections; ++i) {
    directions.push_back(random_direction(theta, seed, static_cast<uint64_t>(i)));
  }
  double worst = 0;
  for (const at::Tensor& direction : directions) {
    const double derivative = gradient.dot(direction).item<double>();
    double best = std::numeric_limits<double>::infinity();
    for (const double h : kStepSizes) {
      const double rise =
          objective(problem, theta + h * direction, inner) - objective(problem, theta - h * direction, inner);
      best = std::min(best, std::abs(rise / (2 * h) - derivative));
    }
    worst = std::max(worst, best / std::max(std::abs(derivative), typical));
  }
  return worst;
}

at::Tensor one_graph_gradient(const bilevel::Learner& learner, const episode::EpisodeBatch& batch,
                              const at::Tensor& theta, const bilevel::InnerOptions& inner,
                              const at::Tensor& weights) {
  c10::AutoGradMode enable(true);
  const at::Tensor leaf = theta.detach().clone().requires_grad_();
  const auto support_images = batch.support_images.to(theta.options()),
             query_images = batch.query_images.to(theta.options());
  const auto support_labels = batch.support_labels.to(theta.device()),
             query_labels = batch.query_labels.to(theta.device());
  const nn::Network& network = learner.network;
  const bilevel::Learner own = learner.to(theta.options());
  const auto rates = own.rates;
  at::Tensor phi = learner.start(leaf, support_images, support_labels);
  at::Tensor outer = at::zeros({}, theta.options());
  const auto add_outer = [&](int64_t j) {
    if (const double weight = weight_of(weights, j, inner.steps); weight > 0) {
      const at::Tensor logits = network.query_logits(phi, query_images, support_images);
      outer = outer + weight * bilevel::cross_entropy(logits, query_labels).mean();
    }
  };
  add_outer(0);
  for (int64_t step = 0; step < inner.steps; ++step) {
    phi = own.norms->enter(leaf, phi, step);
    const auto loss = bilevel::cross_entropy(network.logits(phi, support_images), support_labels).sum();
    const at::Tensor gradient =
        torch::autograd::grad({loss}, {phi}, {}, true, true)[0] + learner.weight_decay * phi;
    phi = phi - (rates->uniform() ? inner.learning_rate * gradient : rates->of_step(leaf, step) * gradient);
    add_outer(step + 1);
  }
  return torch::autograd::grad({outer}, {leaf})[0];
}

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

BiasReport measure_bias(const bilevel::Problem& problem, const at::Tensor& theta,
                        const bilevel::InnerOptions& inner, const nn::Layout& layout, double q, int64_t draws,
                        uint64_t seed) {
  const auto exact =
      bilevel::exact_gradient(problem, theta, inner, bilevel::Memory::store_parameters).gradient;
  const auto ufo = bilevel::make_estimator({.estimator = "ufo", .q = {.value = q}}, inner);
  const at::Tensor tails = ufo->estimate(problem, theta, {}).gradient,
                   heads =
                       ufo->estimate(problem, theta, {.count = problem.tasks(), .probability = q}).gradient;
  const int64_t tasks = problem.tasks();
  const auto counts = count_heads(tasks, q, draws, seed);

  const double per_draw = 1 / static_cast<double>(draws), per_task = 1 / static_cast<double>(tasks);
  at::Tensor error = -exact.mean(0);
  at::Tensor variance = at::zeros_like(error);
  for (int64_t task = 0; task < tasks; ++task) {
    const double share = static_cast<double>(counts[task]) * per_draw;
    const at::Tensor between = heads[task] - tails[task];
    error = error + (tails[task] + share * between) * per_task;
    variance = variance + between.square() * (q * (1 - q) * per_task * per_task * per_draw);
  }
  const auto errors = block_squares(layout, error),
             biases = block_squares(layout, tails.mean(0) - exact.mean(0));
  const auto sizes = block_squares(layout, exact.mean(0));
  const double total = exact.mean(0).square().sum().item<double>();

  BiasReport report{
      .q = q, .draws = draws, .ufo = {}, .first_order = {std::numeric_limits<double>::infinity(), ""}};
  for (size_t i = 0; i < errors.size(); ++i) {
    const auto& entry = layout.entries()[i];
    // A bias before batch norm has no gradient at all, only rounding.
    if (sizes[i] < 1e-24 * total && biases[i] < 1e-24 * total) {
      continue;
    }
    const double square = variance.narrow(0, entry.offset, entry.size).sum().item<double>();
    const double mean = std::sqrt(errors[i] / square), bias = std::sqrt(biases[i] / square);
    if (mean >= report.ufo.standard_errors) {
      report.ufo = {mean, entry.name};
    }
    if (bias < report.first_order.standard_errors) {
      report.first_order = {bias, entry.name};
    }
  }
  return report;
}

}  // namespace ufo::cli
