// What only the simulated device can tell of a step on a device: see tests/simulated_device.

#include "../../src/train/cuda/library.h"
#include "../simulated_device/simulated_device.h"
#include "step_run.h"

#include <set>

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/nn/kernel_runner.h>

namespace ufo::train {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

/// What a test launches goes to a stream that can be recorded.
class OnTheSimulatedDevice : public testing::Test {
 protected:
  void SetUp() override {
    const c10::impl::VirtualGuardImpl streams(device_.type());
    stream_.emplace(streams.getStreamFromGlobalPool(device_));
  }

  StepRun take(SmallRun& run, int64_t first, int64_t last) const {
    simulated::forget();
    return take_steps(run, StepKind::device, run.learner().initial(1).to(device_), first, last);
  }

  const at::Device device_ = find_device({.kind = DeviceChoice::Kind::cuda});
  std::optional<c10::StreamGuard> stream_;
};

/// Tests of one estimator, by its name in configs, or of Reptile with batches and Adam in its inner loop.
class EstimatorOnTheSimulatedDevice : public OnTheSimulatedDevice,
                                      public testing::WithParamInterface<std::string> {
 protected:
  SmallRun run(const std::string& model = "conv4") const {
    SmallRun run(model);
    run.options.meta_gradient.estimator = GetParam();
    if (GetParam() == "reptile_with_adam") {
      run.options.meta_gradient.estimator = "reptile";
      run.options.episode.shots = 2;
      run.options.inner.optimizer = bilevel::InnerOptimizer::adam;
      run.options.inner.batch = 4;
    }
    run.build();
    return run;
  }
};

/// The blocking copies that a DeviceStep's own tables take, once.
MATCHER(IsOfTheBeginning, "") { return arg.find("a copy from the host") != std::string::npos; }

TEST_P(EstimatorOnTheSimulatedDevice, NoStepWaits) {
  for (const char* model : {"mlp", "conv4"}) {
    SmallRun small = run(model);
    take(small, 0, 1);
    const size_t of_the_beginning = simulated::seen().waits.size();
    take(small, 0, 40);
    EXPECT_EQ(simulated::seen().waits.size(), of_the_beginning) << model;
    EXPECT_THAT(simulated::seen().waits, Each(IsOfTheBeginning()));
    EXPECT_THAT(simulated::seen().faults, IsEmpty());
    EXPECT_GT(simulated::seen().replays, 50) << "an estimate and a move a step";
  }
}

TEST_F(OnTheSimulatedDevice, TheKernelsOfACudaDeviceAreRecordedAndReplayed) {
  if (!nn::has_kernel_runner(device_.type())) {
    GTEST_SKIP() << "needs UFO_TEST_KERNELS in the environment";
  }
  SmallRun small("conv4");
  small.options.meta_gradient.estimator = "exact";
  small.options.inner.steps = 1;
  small.options.outer.meta_batch = 2;
  small.build();
  const at::Tensor replayed = take(small, 0, 8).theta;
  EXPECT_THAT(simulated::seen().calls, Contains("convolve_32x32"));
  EXPECT_THAT(simulated::seen().calls, Contains("normalize_adjoint_tangent"));
  EXPECT_THAT(simulated::seen().faults, IsEmpty());
  EXPECT_GT(simulated::seen().replays, 5);
  const at::Tensor start = small.learner().initial(1);
  EXPECT_LT(largest_difference(replayed, take_steps(small, StepKind::host, start, 0, 8).theta), 1e-4);
  small.options.cuda_graph = false;
  EXPECT_TRUE(replayed.equal(take(small, 0, 8).theta));
}

TEST_P(EstimatorOnTheSimulatedDevice, AGraphHoldsNoNumberThatChangesFromStepToStep) {
  SmallRun small = run();
  take(small, 0, 30);
  auto early = simulated::seen().recordings;
  take(small, 500, 530);
  auto late = simulated::seen().recordings;
  std::sort(early.begin(), early.end());
  std::sort(late.begin(), late.end());
  EXPECT_EQ(early, late);
}

TEST(SimulatedAllocator, KnowsOfTheDeviceOnceItIsParsed) {
  const at::Device device = find_device({.kind = DeviceChoice::Kind::cuda});
  EXPECT_NO_THROW(c10::getDeviceAllocator(device.type())->resetPeakStats(device.index()));
}

TEST(CudaDriver, IsToldToBeTooOldByItsMajorVersion) {
  EXPECT_EQ(
      cuda::why_outdated(12040, 13000),
      "need an NVIDIA driver for CUDA 13 (R580 or newer), found one for CUDA 12.4; --device cpu does without");
  EXPECT_EQ(cuda::why_outdated(13000, 13010), "") << "a minor version does not matter";
  EXPECT_EQ(cuda::why_outdated(13020, 12080), "");
}

class UfoOnTheSimulatedDevice : public OnTheSimulatedDevice {
 protected:
  StepRun train(const std::string& estimator, double q, bool adaptive, bool graph) const {
    SmallRun run(adaptive ? "mlp" : "conv4");
    run.options.meta_gradient.estimator = estimator;
    run.options.meta_gradient.q = {.value = q, .adaptive = adaptive};
    run.options.outer.meta_batch = 16;
    run.options.cuda_graph = graph;
    return take(run, 0, 60);
  }
};

TEST_F(UfoOnTheSimulatedDevice, WithQOneHasTheBytesOfExact) {
  EXPECT_TRUE(train("ufo", 1, false, true).theta.equal(train("exact", 0.5, false, true).theta));
}

TEST_F(UfoOnTheSimulatedDevice, NeedsAGraphForAFewNumbersOfExactTasks) {
  const StepRun taken = train("ufo", 0.3, false, true);
  std::set<int64_t> numbers;
  for (const StepResult& result : taken.results) {
    numbers.insert(result.estimate.exact_tasks);
  }
  EXPECT_GT(numbers.size(), 6u);
  EXPECT_LE(simulated::seen().recordings.size(), 6u) << "0, 1, 2, 4, 8, 16, and the step of theta";
}

TEST_F(UfoOnTheSimulatedDevice, IsReplayedFromItsFirstStepOn) {
  const StepRun taken = train("ufo", 0.3, false, true);
  const size_t moves_as_they_are = 3;
  EXPECT_GE(simulated::seen().replays,
            static_cast<int64_t>(2 * taken.results.size() - moves_as_they_are - 5));
}

TEST_F(UfoOnTheSimulatedDevice, ReplaysAnAdaptiveQWithTheBitsOfEagerWork) {
  const StepRun replayed = train("ufo", 0.3, true, true);
  EXPECT_GT(simulated::seen().replays, 80);
  EXPECT_TRUE(replayed.theta.equal(train("ufo", 0.3, true, false).theta));
  EXPECT_NE(replayed.results[1].probability, replayed.results[0].probability);
}

TEST_F(OnTheSimulatedDevice, AGraphSeesANewLearningRate) {
  for (const auto name : {run::Optimizer::adam, run::Optimizer::sgd}) {
    const auto options = at::TensorOptions(device_);
    const at::Tensor theta = at::ones({100}, options), gradient = at::ones({100}, options);
    const auto optimizer = make_outer_optimizer({.optimizer = name, .learning_rate = 0.5}, theta);
    const auto pool = graph_pool_maker(device_)();
    const auto graph = pool->record([&] { optimizer->step(theta, gradient); });
    optimizer->set_learning_rate(0.25);
    graph->replay();
    EXPECT_NEAR(theta[0].item<float>(), 0.75f, 1e-5) << word_of(name);
  }
}

INSTANTIATE_TEST_SUITE_P(EachEstimator, EstimatorOnTheSimulatedDevice,
                         testing::Values("first_order", "exact", "partial", "ufo", "reptile",
                                         "reptile_with_adam"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace ufo::train
