#include "step_run.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/episode/device_images.h>
#include <ufo/run/run_directory.h>
#include <ufo/train/device.h>
#include <ufo/train/evaluator.h>

namespace ufo::train {
namespace {

/// Skips where there is no CUDA device; the same tests run on the simulated one in its place. What a test
/// does goes to a stream that can be recorded.
class Gpu : public testing::Test {
 protected:
  void SetUp() override {
    try {
      device_ = find_device({.kind = DeviceChoice::Kind::cuda});
    } catch (const ConfigError& error) {
      GTEST_SKIP() << "needs a CUDA device: " << error.what();
    }
    set_precision(run::Precision::float32);
    const c10::impl::VirtualGuardImpl streams(device_.type());
    stream_.emplace(streams.getStreamFromGlobalPool(device_));
  }

  at::Tensor start(const SmallRun& run, at::ScalarType type = at::kFloat) const {
    return run.learner().initial(1).to(device_, type);
  }

  at::Device device_ = at::kCPU;
  std::optional<c10::StreamGuard> stream_;
};

bilevel::MetaGradient meta_gradient(const SmallRun& run, const at::Tensor& theta, int64_t tasks) {
  const auto problem =
      make_problem(run.learner(theta.options()), run.sampler->batch(data::Split::train, 0, tasks), theta,
                   bilevel::Engine::hand_written);
  const auto estimator = bilevel::make_estimator(run.options.meta_gradient, run.options.inner);
  const double q = make_coin(run.options.meta_gradient, *estimator).probability();
  bilevel::Coins coins{.probability = q, .exact = std::vector<bool>(static_cast<size_t>(tasks), q == 1)};
  if (q > 0 && q < 1) {
    for (size_t task = 1; task < coins.exact.size(); task += 3) {
      coins.exact[task] = true;
    }
  }
  return bilevel::estimate_meta_gradient(problem, theta, *estimator, coins);
}

double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.cpu() - b.cpu()).norm().item<double>() / b.norm().item<double>();
}

constexpr const char* kEstimators[] = {"first_order", "exact", "partial", "ufo", "reptile"};

SmallRun small_run(const std::string& model, const std::string& estimator, nn::Downsampling downsampling,
                   int64_t inner_steps) {
  SmallRun run(model);
  run.options.model.downsampling = downsampling;
  run.options.meta_gradient.estimator = estimator;
  run.options.inner.steps = inner_steps;
  run.build();
  return run;
}

TEST_F(Gpu, GradientsAreThoseOfTheCpuInFloat64) {
  for (const char* model : {"mlp", "conv4"}) {
    for (const auto downsampling : {nn::Downsampling::stride, nn::Downsampling::max_pool}) {
      for (const char* estimator : kEstimators) {
        const SmallRun run = small_run(model, estimator, downsampling, 3);
        const at::Tensor theta = start(run, at::kDouble);
        const auto found = meta_gradient(run, theta, 6), expected = meta_gradient(run, theta.cpu(), 6);
        EXPECT_LT(relative_difference(found.gradient, expected.gradient), 1e-9)
            << model << ", " << word_of(downsampling) << ", " << estimator;
        EXPECT_NEAR(found.loss, expected.loss, 1e-9);
      }
    }
  }
}

TEST_F(Gpu, GradientsAreThoseOfTheCpuInFloat32AtOneInnerStep) {
  for (const auto downsampling : {nn::Downsampling::stride, nn::Downsampling::max_pool}) {
    for (const char* estimator : kEstimators) {
      const SmallRun run = small_run("conv4", estimator, downsampling, 1);
      const at::Tensor theta = start(run);
      const auto found = meta_gradient(run, theta, 6), expected = meta_gradient(run, theta.cpu(), 6);
      EXPECT_LT(relative_difference(found.gradient, expected.gradient), 1e-4)
          << word_of(downsampling) << ", " << estimator;
    }
  }
}

TEST_F(Gpu, GradientsByInnerRatesAreThoseOfTheCpuInFloat64) {
  for (const char* estimator : {"first_order", "exact", "ufo"}) {
    SmallRun run = small_run("conv4", estimator, nn::Downsampling::stride, 3);
    run.options.inner.rates = {.per = bilevel::RatesPer::layer_and_step, .learned = true};
    const at::Tensor theta = start(run, at::kDouble);
    const auto found = meta_gradient(run, theta, 6), expected = meta_gradient(run, theta.cpu(), 6);
    EXPECT_LT(relative_difference(found.gradient, expected.gradient), 1e-9) << estimator;
  }
}

TEST_F(Gpu, EpisodesAreThoseOfTheHost) {
  SmallRun run;
  const auto indices = run.sampler->indices(data::Split::train, 0, 5);
  const episode::EpisodeIndices there{.images = indices.images.to(device_),
                                      .quarter_turns = indices.quarter_turns.to(device_),
                                      .augmentation = {}};
  const auto found = episode::DeviceImages(run.dataset, device_).gather(there, run.options.episode);
  const auto expected = run.sampler->batch(data::Split::train, 0, 5);
  EXPECT_TRUE(found.support_images.cpu().equal(expected.support_images));
  EXPECT_TRUE(found.query_images.cpu().equal(expected.query_images));
  EXPECT_TRUE(found.query_labels.cpu().equal(expected.query_labels));
}

TEST_F(Gpu, EvaluatesAnEnsembleAsTheCpuDoesInFloat64) {
  const SmallRun run("conv4");
  const EvaluationRequest request{.tasks = 27, .inner = {.steps = 2, .learning_rate = 0.1}};
  std::vector<at::Tensor> on_cpu, on_device;
  for (const uint64_t seed : {1, 2}) {
    on_cpu.push_back(run.network->initial_parameters(seed).to(at::kDouble));
    on_device.push_back(on_cpu.back().to(device_));
  }
  const auto expected = evaluate_ensemble(*run.network, on_cpu, *run.validation_sampler, request);
  const auto curves = evaluate_ensemble(*run.network, on_device, *run.validation_sampler, request);
  for (size_t step = 0; step < expected.loss.size(); ++step) {
    EXPECT_TRUE(at::tensor(curves.loss[step]).allclose(at::tensor(expected.loss[step]), 1e-9, 1e-9));
    EXPECT_TRUE(at::tensor(curves.accuracy[step]).allclose(at::tensor(expected.accuracy[step]), 1e-12, 0));
  }
}

TEST_F(Gpu, AReplayedGraphGivesTheBitsOfEagerWork) {
  for (const auto downsampling : {nn::Downsampling::stride, nn::Downsampling::max_pool}) {
    for (const char* estimator : kEstimators) {
      SmallRun run = small_run("conv4", estimator, downsampling, 2);
      run.options.cuda_graph = true;
      const auto replayed = take_steps(run, StepKind::device, start(run), 0, 40);
      run.options.cuda_graph = false;
      const auto eager = take_steps(run, StepKind::device, start(run), 0, 40);
      EXPECT_TRUE(replayed.theta.equal(eager.theta)) << word_of(downsampling) << ", " << estimator << ": "
                                                     << largest_difference(replayed.theta, eager.theta);
      ASSERT_EQ(replayed.results.size(), eager.results.size());
      for (size_t i = 0; i < eager.results.size(); ++i) {
        EXPECT_EQ(replayed.results[i].estimate.loss, eager.results[i].estimate.loss) << "step " << i;
        EXPECT_EQ(replayed.results[i].gradient_norm, eager.results[i].gradient_norm) << "step " << i;
      }
    }
  }
}

TEST_F(Gpu, HeadsTrainAsOnTheCpuAndByReplayAsEagerly) {
  for (const nn::Head head : {nn::Head::zero, nn::Head::shared, nn::Head::prototype}) {
    for (const auto adapts : {bilevel::Adapt::all, bilevel::Adapt::head}) {
      SmallRun run =
          small_run("conv4", "exact",
                    adapts == bilevel::Adapt::all ? nn::Downsampling::stride : nn::Downsampling::max_pool, 2);
      run.options.model.head = head;
      run.options.inner.adapt = adapts;
      run.build();
      SCOPED_TRACE(word_of(head) + " " + word_of(adapts));
      const at::Tensor theta = start(run, at::kDouble);
      EXPECT_LT(largest_difference(take_steps(run, StepKind::device, theta, 0, 6).theta,
                                   take_steps(run, StepKind::host, theta.cpu(), 0, 6).theta),
                1e-8);
      run.options.cuda_graph = true;
      const at::Tensor replayed = take_steps(run, StepKind::device, start(run), 0, 12).theta;
      run.options.cuda_graph = false;
      EXPECT_TRUE(replayed.equal(take_steps(run, StepKind::device, start(run), 0, 12).theta));
    }
  }
}

TEST_F(Gpu, ProtoNetAndAClassifierTrainAsOnTheCpu) {
  for (const char* estimator : {"first_order", "classifier"}) {
    SmallRun run = small_run("conv4", estimator, nn::Downsampling::stride, 0);
    run.options.model.head = nn::Head::prototype;
    run.build();
    const at::Tensor theta = start(run, at::kDouble);
    EXPECT_LT(largest_difference(take_steps(run, StepKind::device, theta, 0, 12).theta,
                                 take_steps(run, StepKind::host, theta.cpu(), 0, 12).theta),
              1e-8)
        << estimator;
  }
}

TEST_F(Gpu, TrainsAsTheCpuDoesInFloat64) {
  for (const char* estimator : kEstimators) {
    SmallRun run = small_run("conv4", estimator, nn::Downsampling::stride, 2);
    const at::Tensor theta = start(run, at::kDouble);
    const auto found = take_steps(run, StepKind::device, theta, 0, 12);
    const auto expected = take_steps(run, StepKind::host, theta.cpu(), 0, 12);
    EXPECT_LT(largest_difference(found.theta, expected.theta), 1e-8) << estimator;
  }
}

TEST_F(Gpu, ARunInTwoPartsEndsInTheSameBits) {
  SmallRun run = small_run("conv4", "ufo", nn::Downsampling::stride, 2);
  std::map<std::string, at::Tensor> state;
  const auto whole = take_steps(run, StepKind::device, start(run), 0, 30);
  const auto first = take_steps(run, StepKind::device, start(run), 0, 13, &state);
  const auto second = take_steps(run, StepKind::device, first.theta, 13, 30, &state);
  EXPECT_TRUE(second.theta.equal(whole.theta)) << largest_difference(second.theta, whole.theta);
}

TEST_F(Gpu, AStoppedAndResumedTrainingEndsInTheSameBytes) {
  const TemporaryFolder folder;
  SmallRun run = small_run("conv4", "ufo", nn::Downsampling::stride, 2);
  run.options.outer.steps = 20;
  const auto train = [&](const std::string& name, int64_t stop_at) {
    const auto directory = run::RunDirectory::prepare(folder.path() / name, "{}", run::IfThereIsARun::resume);
    run::Checkpoint begin{.parameters = start(run), .config = "{}"};
    if (std::filesystem::exists(directory.last_checkpoint())) {
      begin = run::load_checkpoint(directory.last_checkpoint(), run.learner().layout());
      begin.parameters = begin.parameters.to(device_);
    }
    const auto estimator = bilevel::make_estimator(run.options.meta_gradient, run.options.inner);
    bilevel::Coin coin = make_coin(run.options.meta_gradient, *estimator);
    const auto optimizer = make_outer_optimizer(run.options.outer, begin.parameters);
    int64_t steps = begin.step;
    Trainer({.sampler = *run.sampler,
             .validation_sampler = *run.validation_sampler,
             .learner = run.learner(device_),
             .estimator = *estimator,
             .coin = coin,
             .optimizer = *optimizer,
             .last = directory.last_checkpoint(),
             .best = directory.best_checkpoint(),
             .should_stop = [&, stop_at] { return ++steps == stop_at; },
             .make_graph_pool = graph_pool_maker(device_)},
            run.options)
        .run(begin);
    return read_file(directory.last_checkpoint());
  };
  const std::string whole = train("whole", -1);
  train("parts", 7);
  train("parts", 13);
  EXPECT_TRUE(train("parts", -1) == whole);
}

TEST_F(Gpu, MemoryIsFlatOverAThousandSteps) {
  SmallRun run = small_run("conv4", "ufo", nn::Downsampling::stride, 2);
  const auto reserved = [&] {
    return c10::getDeviceAllocator(device_.type())->getDeviceStats(device_.index()).reserved_bytes[0].current;
  };
  take_steps(run, StepKind::device, start(run), 0, 100);
  const auto before = reserved();
  take_steps(run, StepKind::device, start(run), 0, 1000);
  EXPECT_LE(reserved(), before + before / 50);
}

}  // namespace
}  // namespace ufo::train
