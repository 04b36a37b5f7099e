#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <ufo/base/parallel.h>

namespace ufo {
namespace {

TEST(ParallelTasks, CallsEachNumberOnce) {
  for (int64_t count : {0, 1, 2, 100}) {
    std::vector<std::atomic<int>> calls(count);
    parallel_tasks(count, [&](int64_t i) { ++calls[i]; });
    for (const auto& c : calls) {
      EXPECT_EQ(c, 1);
    }
  }
}

TEST(ParallelTasks, RunsAtenOnOneThreadInsideAndLeavesTheCallersThreadsAlone) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::atomic<int> inside{0};
  parallel_tasks(4, [&](int64_t) { inside = std::max(inside.load(), at::get_num_threads()); });
  EXPECT_EQ(inside, 1);
  EXPECT_EQ(at::get_num_threads(), 2);
  at::set_num_threads(threads);
}

TEST(ParallelTasks, TakesTheNumberOfThreadsThatWasSet) {
  EXPECT_EQ(task_threads(), at::get_num_threads());
  set_task_threads(3);
  EXPECT_EQ(task_threads(), 3);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  parallel_tasks(3, [&](int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(ids.size(), 3u);
  set_task_threads(0);
  EXPECT_EQ(task_threads(), at::get_num_threads());
}

/// Sets the number of threads for one test.
struct TaskThreads {
  explicit TaskThreads(int64_t threads) { set_task_threads(threads); }
  ~TaskThreads() { set_task_threads(0); }
};

TEST(ParallelTasks, MakesEachNestedCallOnce) {
  const TaskThreads threads(3);
  EXPECT_EQ(idle_threads(), 2);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<std::atomic<int>> calls(5 * 7);
    parallel_tasks(5, [&](int64_t i) { parallel_tasks(7, [&](int64_t j) { ++calls[i * 7 + j]; }); });
    for (const auto& c : calls) {
      ASSERT_EQ(c, 1);
    }
  }
}

TEST(ParallelTasks, SharesNestedCallsWithIdleThreads) {
  const TaskThreads threads(3);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  parallel_tasks(1, [&](int64_t) {
    while (idle_threads() < 2) {
      std::this_thread::yield();
    }
    for (int repeat = 0; repeat < 2; ++repeat) {
      parallel_tasks(3, [&](int64_t) {
        EXPECT_LT(idle_threads(), 3);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        std::lock_guard lock(mutex);
        ids.insert(std::this_thread::get_id());
      });
    }
  });
  EXPECT_EQ(ids.size(), 3u);
}

TEST(ParallelTasks, FindsNoIdleThreadWhileAllHaveWork) {
  const TaskThreads threads(2);
  std::atomic<int> begun{0};
  parallel_tasks(2, [&](int64_t) {
    ++begun;
    while (begun < 2) {
      std::this_thread::yield();
    }
    EXPECT_EQ(idle_threads(), 0);
    const auto outer = std::this_thread::get_id();
    parallel_tasks(3, [&](int64_t) { EXPECT_EQ(std::this_thread::get_id(), outer); });
    ++begun;
    while (begun < 4) {
      std::this_thread::yield();
    }
  });
}

TEST(ParallelTasks, RethrowsAnExceptionOfANestedCall) {
  const TaskThreads threads(3);
  std::atomic<int> caught{0};
  parallel_tasks(4, [&](int64_t) {
    try {
      parallel_tasks(20, [](int64_t i) { i == 11 ? throw std::runtime_error("eleven") : void(); });
    } catch (const std::runtime_error&) {
      ++caught;
    }
  });
  EXPECT_EQ(caught, 4);
}

TEST(ParallelTasks, RethrowsAnExceptionAndWorksAgainAfter) {
  EXPECT_THROW(parallel_tasks(50, [](int64_t i) { i == 7 ? throw std::runtime_error("seven") : void(); }),
               std::runtime_error);
  std::atomic<int64_t> sum{0};
  parallel_tasks(10, [&](int64_t i) { sum += i; });
  EXPECT_EQ(sum, 45);
}

}  // namespace
}  // namespace ufo
