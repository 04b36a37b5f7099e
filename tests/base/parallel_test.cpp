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

TEST(ParallelTasks, RunsANestedCallOnTheCallingThread) {
  std::atomic<int64_t> sum{0};
  EXPECT_FALSE(inside_parallel_tasks());
  parallel_tasks(4, [&](int64_t) {
    const auto outer = std::this_thread::get_id();
    EXPECT_TRUE(inside_parallel_tasks());
    parallel_tasks(3, [&](int64_t i) {
      EXPECT_EQ(std::this_thread::get_id(), outer);
      sum += i;
    });
  });
  EXPECT_EQ(sum, 4 * 3);
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
