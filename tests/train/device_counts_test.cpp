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

struct Count {
  int64_t calls;
  double bytes_per_task;
};

/// A cell of the MAML paper, and what a meta-gradient in it may come to.
struct Cell {
  const char* name;
  nn::ModelOptions model;
  nn::InputShape input;
  int64_t shots, queries, inner_steps;
  Count first_order, exact;
};

std::ostream& operator<<(std::ostream& out, const Cell& cell) { return out << cell.name; }

Cell omniglot(const char* name, int64_t ways, int64_t inner_steps, const Count& first_order,
              const Count& exact) {
  return {.name = name,
          .model = {.filters = 64},
          .input = {.channels = 1, .height = 28, .width = 28, .ways = ways},
          .shots = 1,
          .queries = 1,
          .inner_steps = inner_steps,
          .first_order = first_order,
          .exact = exact};
}

const Cell kOmniglot = omniglot("Omniglot5Way", 5, 1, {.calls = 134, .bytes_per_task = 21e6},
                                {.calls = 288, .bytes_per_task = 46e6});
const Cell kTwentyWays = omniglot("Omniglot20Way", 20, 5, {.calls = 386, .bytes_per_task = 156e6},
                                  {.calls = 1144, .bytes_per_task = 542e6});
const Cell kMiniImageNet{.name = "MiniImageNet5Way",
                         .model = {.filters = 32, .downsampling = nn::Downsampling::max_pool},
                         .input = {.channels = 3, .height = 84, .width = 84, .ways = 5},
                         .shots = 1,
                         .queries = 15,
                         .inner_steps = 5,
                         .first_order = {.calls = 458, .bytes_per_task = 2.24e9},
                         .exact = {.calls = 1276, .bytes_per_task = 3.71e9}};

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

class DeviceCountsOf : public testing::TestWithParam<Cell> {};

TEST_P(DeviceCountsOf, ACellStayLow) {
  const Cell& cell = GetParam();
  for (const auto& [name, exact, limit] :
       {std::tuple("first_order", 0, cell.first_order), std::tuple("exact", 2, cell.exact)}) {
    const Count found = count(cell, name, 2, exact);
    EXPECT_LE(found.calls, limit.calls) << name;
    EXPECT_LE(found.bytes_per_task, limit.bytes_per_task) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Cells, DeviceCountsOf, testing::Values(kOmniglot, kTwentyWays, kMiniImageNet),
                         [](const auto& info) { return std::string(info.param.name); });

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
