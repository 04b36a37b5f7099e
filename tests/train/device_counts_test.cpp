// The calls of a meta-gradient on a device, and the bytes that they read and write: docs/engine.md has the
// table.

#include "../simulated_device/simulated_device.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/train/device.h>

namespace ufo::train {
namespace {

struct Cell {
  const char* name;
  nn::ModelOptions model;
  nn::InputShape input;
  int64_t shots, queries, inner_steps;
};

const Cell kOmniglot{.name = "omniglot",
                     .model = {.filters = 64},
                     .input = {.channels = 1, .height = 28, .width = 28, .ways = 5},
                     .shots = 1,
                     .queries = 1,
                     .inner_steps = 1};

struct Count {
  int64_t calls;
  double bytes_per_task;
};

/// Of one meta-gradient of `tasks` tasks, of which `exact` take the exact branch.
Count count(const Cell& cell, const std::string& name, int64_t tasks, int64_t exact) {
  const at::Device device = find_device({.kind = DeviceChoice::Kind::cuda});
  const auto network = nn::make_network(cell.model, cell.input);
  const at::Tensor theta = network->initial_parameters(1).to(device);
  const auto images = [&](int64_t each) {
    return at::ones({tasks, cell.input.ways * each, cell.input.channels, cell.input.height, cell.input.width},
                    theta.options());
  };
  const auto labels = [&](int64_t each) {
    return at::arange(cell.input.ways).repeat_interleave(each).expand({tasks, -1}).contiguous().to(device);
  };
  const bilevel::ClassificationProblem problem(*network, images(cell.shots), labels(cell.shots),
                                               images(cell.queries), labels(cell.queries));
  const auto estimator = bilevel::make_estimator({.estimator = name}, {.steps = cell.inner_steps});
  const at::Tensor weights = at::ones({exact}, theta.options());
  simulated::forget();
  bilevel::launch_meta_gradient_sums(problem, theta, *estimator, {.count = exact, .weights = weights});
  return {.calls = static_cast<int64_t>(simulated::seen().calls.size()),
          .bytes_per_task = simulated::seen().bytes / static_cast<double>(tasks)};
}

constexpr int64_t kFirstOrderCalls = 131, kExactCalls = 282;
constexpr double kFirstOrderBytes = 21e6, kExactBytes = 46e6;  // a task

TEST(DeviceCounts, OfFirstOrderStayLow) {
  const Count found = count(kOmniglot, "first_order", 2, 0);
  EXPECT_LE(found.calls, kFirstOrderCalls);
  EXPECT_LE(found.bytes_per_task, kFirstOrderBytes);
}

TEST(DeviceCounts, OfExactStayLow) {
  const Count found = count(kOmniglot, "exact", 2, 2);
  EXPECT_LE(found.calls, kExactCalls);
  EXPECT_LE(found.bytes_per_task, kExactBytes);
}

TEST(DeviceCounts, OfUfoAreThoseOfFirstOrderAndOfTheHessianProducts) {
  const int64_t first_order = count(kOmniglot, "first_order", 4, 0).calls;
  const int64_t products = count(kOmniglot, "exact", 4, 4).calls - first_order;
  const int64_t ufo = count(kOmniglot, "ufo", 4, 2).calls;
  EXPECT_LE(ufo, 1.15 * static_cast<double>(first_order) + static_cast<double>(products));
}

TEST(DeviceCounts, DoNotDependOnTheNumberOfTasks) {
  for (const char* name : {"first_order", "exact", "ufo"}) {
    EXPECT_EQ(count(kOmniglot, name, 4, 2).calls, count(kOmniglot, name, 6, 3).calls) << name;
  }
}

}  // namespace
}  // namespace ufo::train
