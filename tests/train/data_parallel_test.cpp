#include "ranks.h"
#include "step_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/train/distributed/data_parallel.h>

namespace ufo::train {
namespace {

/// A rank that communicates with nobody.
class Rank final : public Communicator {
 public:
  Rank(int64_t rank, int64_t size) : rank_(rank), size_(size) {}
  int64_t rank() const override { return rank_; }
  int64_t size() const override { return size_; }
  void all_reduce(at::Tensor&, Reduction) override { FAIL(); }
  at::Tensor all_gather(const at::Tensor& values) override { return values; }
  void broadcast(at::Tensor&) override { FAIL(); }
  void barrier() override { FAIL(); }
  void close() override { FAIL(); }

 private:
  int64_t rank_, size_;
};

TEST(Share, DividesTheTasksInTheirOrder) {
  for (int64_t size = 1; size <= 9; ++size) {
    for (int64_t tasks : {9, 10, 32}) {
      int64_t next = 0;
      for (int64_t rank = 0; rank < size; ++rank) {
        const episode::TaskRange share = share_of(tasks, Rank(rank, size));
        EXPECT_EQ(share.first, next);
        EXPECT_GE(share.count, tasks / size);
        EXPECT_LE(share.count, tasks / size + 1);
        next = share.first + share.count;
      }
      EXPECT_EQ(next, tasks);
    }
  }
}

TEST(Share, TakesTheCoinsOfItsTasks) {
  const bilevel::Coins coins{.probability = 0.5, .exact = {true, false, false, true, true}};
  EXPECT_EQ(share_of(coins, Rank(0, 2)), (bilevel::Coins{.probability = 0.5, .exact = {true, false}}));
  EXPECT_EQ(share_of(coins, Rank(1, 2)), (bilevel::Coins{.probability = 0.5, .exact = {false, true, true}}));
}

TEST(Share, OfAProcessAloneIsTheWhole) {
  SingleProcess alone;
  EXPECT_EQ(share_of(7, alone).count, 7);
  const bilevel::Coins coins{.probability = 0.5, .exact = {true, false}};
  EXPECT_EQ(share_of(coins, alone), coins);
}

/// Of `tasks` tasks with the mean `value`.
bilevel::MetaGradientSums sums_of(double value, double tasks, double exact) {
  return {.gradient = at::full({5}, value * tasks, at::kFloat),
          .tasks = tasks,
          .exact_tasks = exact,
          .loss = value * tasks,
          .accuracy = value / 8 * tasks,
          .bias_squared = value * exact,
          .norm_squared = 2 * value * exact,
          .exact_seconds = value,
          .first_order_seconds = 1,
          .gradient_calls = 10 * tasks,
          .hessian_products = exact};
}

TEST(Combine, WeighsEachShareByItsTasks) {
  const auto results = as_ranks(2, [](Communicator& communicator) {
    auto sums = communicator.rank() == 0 ? sums_of(1, 1, 1) : sums_of(5, 3, 3);
    combine(sums, communicator);
    return sums.mean();
  });
  for (const bilevel::MetaGradient& mean : results) {
    EXPECT_TRUE(at::equal(mean.gradient, at::full({5}, 4, at::kFloat))) << mean.gradient;
    EXPECT_EQ(mean.loss, 4);
    EXPECT_EQ(mean.accuracy, 0.5);
    EXPECT_EQ(mean.tasks, 4);
    EXPECT_EQ(mean.exact_tasks, 4);
    EXPECT_EQ(mean.bias_squared, 4);
    EXPECT_EQ(mean.norm_squared, 8);
    EXPECT_EQ(mean.exact_seconds, 6);
    EXPECT_EQ(mean.first_order_seconds, 2);
    EXPECT_EQ(mean.gradient_calls, 40);
    EXPECT_EQ(mean.hessian_products, 4);
  }
}

TEST(Combine, TakesTheMomentsOfTheExactTasksAlone) {
  const auto results = as_ranks(2, [](Communicator& communicator) {
    auto some = communicator.rank() == 0 ? sums_of(1, 2, 0) : sums_of(3, 2, 1);
    combine(some, communicator);
    auto none = sums_of(1, 2, 0);
    combine(none, communicator);
    return std::pair(some.mean(), none.mean());
  });
  for (const auto& [some, none] : results) {
    EXPECT_EQ(some.exact_tasks, 1);
    EXPECT_EQ(some.bias_squared, 3);
    EXPECT_EQ(some.norm_squared, 6);
    EXPECT_EQ(none.exact_tasks, 0);
    EXPECT_TRUE(std::isnan(none.bias_squared));
    EXPECT_TRUE(std::isnan(none.norm_squared));
  }
}

TEST(Combine, LeavesAProcessAloneItsBits) {
  auto sums = sums_of(0.1, 3, 1);
  const at::Tensor before = sums.gradient;
  combine(sums, single_process());
  EXPECT_TRUE(sums.gradient.is_same(before));
}

TEST(ParallelEvaluation, GivesTheCurvesOfOneProcess) {
  SmallRun run;
  const at::Tensor theta = run.network->initial_parameters(1);
  for (int64_t tasks : {2, 10}) {
    const EvaluationRequest request{
        .split = data::Split::validation, .tasks = tasks, .inner = {.steps = 2, .learning_rate = 0.1}};
    const run::EpisodeCurves whole = evaluate_episodes(*run.network, theta, *run.validation_sampler, request);
    const auto results = as_ranks(3, [&](Communicator& communicator) {
      return evaluate_episodes(*run.network, theta, *run.validation_sampler, request, communicator);
    });
    for (const run::EpisodeCurves& curves : results) {
      EXPECT_EQ(curves.accuracy, whole.accuracy);
      EXPECT_EQ(curves.loss, whole.loss);
    }
  }
}

/// Of both kinds of steps, in double precision, where sums in another order differ by little.
TEST(ParallelSteps, TrainAsOneProcessDoes) {
  for (const StepKind kind : {StepKind::host, StepKind::device}) {
    for (const bool adaptive : {false, true}) {
      SmallRun run;
      run.options.meta_gradient.q.adaptive = adaptive;
      run.options.outer.meta_batch = 5;
      run.build();
      const at::Tensor theta = run.network->initial_parameters(1).to(at::kDouble);
      const StepRun alone = take_steps(run, kind, theta, 0, 12);
      const auto ranks = as_ranks(3, [&](Communicator& communicator) {
        return take_steps(run, kind, theta, 0, 12, nullptr, communicator);
      });
      for (const StepRun& rank : ranks) {
        EXPECT_LT(largest_difference(rank.theta, alone.theta), 1e-9);
        EXPECT_TRUE(at::equal(rank.theta, ranks[0].theta));
        ASSERT_EQ(rank.results.size(), 12u);
        for (size_t i = 0; i < rank.results.size(); ++i) {
          const StepResult &result = rank.results[i], &expected = alone.results[i];
          EXPECT_NEAR(result.probability, expected.probability, 1e-9);
          EXPECT_EQ(result.probability, ranks[0].results[i].probability);
          EXPECT_EQ(result.estimate.tasks, 5);
          EXPECT_EQ(result.estimate.exact_tasks, expected.estimate.exact_tasks);
          EXPECT_EQ(result.estimate.gradient_calls, expected.estimate.gradient_calls);
          EXPECT_NEAR(result.estimate.loss, expected.estimate.loss, 1e-9);
          EXPECT_NEAR(result.gradient_norm, expected.gradient_norm, 1e-9);
        }
      }
    }
  }
}

TEST(ParallelSteps, HaveTheSameBytesForOneTwoAndFourProcesses) {
  for (const bool adaptive : {false, true}) {
    SmallRun run("conv4");
    run.options.meta_gradient.q.adaptive = adaptive;
    run.options.outer.meta_batch = 12;
    run.build();
    const at::Tensor theta = run.network->initial_parameters(1);
    const StepRun alone = take_steps(run, StepKind::host, theta, 0, 6);
    for (const int64_t size : {2, 4}) {
      for (const StepRun& rank : as_ranks(size, [&](Communicator& communicator) {
             return take_steps(run, StepKind::host, theta, 0, 6, nullptr, communicator);
           })) {
        EXPECT_TRUE(at::equal(rank.theta, alone.theta)) << size;
        for (size_t i = 0; i < rank.results.size(); ++i) {
          EXPECT_EQ(rank.results[i].estimate.loss, alone.results[i].estimate.loss);
          EXPECT_EQ(rank.results[i].gradient_norm, alone.results[i].gradient_norm);
          EXPECT_EQ(rank.results[i].probability, alone.results[i].probability);
        }
      }
    }
  }
}

TEST(Broadcast, GivesAllTheCheckpointOfRank0) {
  nn::Layout layout;
  layout.add("weight", {7}, nn::Start::zeros);
  const auto results = as_ranks(3, [&](Communicator& communicator) {
    run::Checkpoint checkpoint;
    if (communicator.rank() == 0) {
      checkpoint = {.parameters = at::arange(7, at::kFloat) / 3,
                    .optimizer = {{"mean", at::full({7}, 0.1f)}, {"step", at::full({}, 5, at::kDouble)}},
                    .step = 12,
                    .best = {{.step = 9, .accuracy = 1.0 / 7}, {.step = 3, .accuracy = 0.1}},
                    .estimator_state = {{"sum", 1.0 / 3}},
                    .config = "{\"a\": \"b\"}\n"};
    }
    broadcast(checkpoint, layout, communicator);
    return checkpoint;
  });
  for (const run::Checkpoint& checkpoint : results) {
    EXPECT_TRUE(at::equal(checkpoint.parameters, at::arange(7, at::kFloat) / 3));
    ASSERT_EQ(checkpoint.optimizer.size(), 2u);
    EXPECT_TRUE(at::equal(checkpoint.optimizer.at("mean"), at::full({7}, 0.1f)));
    EXPECT_EQ(checkpoint.optimizer.at("step").scalar_type(), at::kDouble);
    EXPECT_EQ(checkpoint.optimizer.at("step").item<double>(), 5);
    EXPECT_EQ(checkpoint.step, 12);
    EXPECT_EQ(checkpoint.best, (std::vector<run::Validated>{{9, 1.0 / 7}, {3, 0.1}}));
    EXPECT_EQ(checkpoint.estimator_state, (std::map<std::string, double>{{"sum", 1.0 / 3}}));
    EXPECT_EQ(checkpoint.config, "{\"a\": \"b\"}\n");
  }
}

TEST(CheckEqual, ThrowsInAllWhereOneBitDiffers) {
  const auto results = as_ranks(2, [](Communicator& communicator) {
    at::Tensor values = at::ones({100});
    check_equal(values, "values", communicator);
    if (communicator.rank() == 1) {
      values[99] = std::nextafter(1.0f, 2.0f);
    }
    try {
      check_equal(values, "the values", communicator);
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string();
  });
  for (const std::string& what : results) {
    EXPECT_THAT(what, testing::StartsWith("the values differ"));
  }
}

TEST(AllReduce, GivesTheSameBytesToAllAndEveryTime) {
  const auto sums = [] {
    return as_ranks(3, [](Communicator& communicator) {
      at::Tensor values = at::arange(1000, at::kFloat).add(0.1 * communicator.rank()).sin();
      communicator.all_reduce(values, Reduction::sum);
      return values;
    });
  };
  const auto first = sums(), second = sums();
  EXPECT_TRUE(at::equal(first[0], first[1]) && at::equal(first[0], first[2]));
  EXPECT_TRUE(at::equal(first[0], second[0]));
}

TEST(MaxOverRanks, FindsTheOneThatHasIt) {
  const auto results = as_ranks(2, [](Communicator& communicator) {
    return max_over_ranks(communicator, communicator.rank() == 1 ? 15 : 0);
  });
  EXPECT_EQ(results, std::vector<double>({15, 15}));
  EXPECT_EQ(max_over_ranks(single_process(), 2), 2);
}

}  // namespace
}  // namespace ufo::train
