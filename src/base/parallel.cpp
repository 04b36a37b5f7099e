#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include <ATen/Parallel.h>

#include <ufo/base/parallel.h>

namespace ufo {
namespace {

thread_local bool inside = false;

/// Threads that sleep between the calls of run().
class Pool {
 public:
  ~Pool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
  }

  /// Has `threads` threads call `job` once each and waits for them.
  void run(int64_t threads, const std::function<void()>& job) {
    std::lock_guard one_at_a_time(calls_);
    std::unique_lock lock(mutex_);
    while (static_cast<int64_t>(threads_.size()) < threads) {
      threads_.emplace_back([this, number = static_cast<int64_t>(threads_.size())] { serve(number); });
    }
    job_ = &job;
    wanted_ = running_ = threads;
    ++round_;
    wake_.notify_all();
    done_.wait(lock, [&] { return running_ == 0; });
  }

 private:
  void serve(int64_t number) {
    inside = true;
    std::unique_lock lock(mutex_);
    for (uint64_t seen = 0;;) {
      wake_.wait(lock, [&] { return stopping_ || (round_ != seen && number < wanted_); });
      if (stopping_) {
        return;
      }
      seen = round_;
      lock.unlock();
      // Every time: a call by any other thread sets MKL's number for all of them.
      at::set_num_threads(1);
      (*job_)();
      lock.lock();
      if (--running_ == 0) {
        done_.notify_one();
      }
    }
  }

  std::mutex calls_, mutex_;
  std::condition_variable wake_, done_;
  const std::function<void()>* job_ = nullptr;
  int64_t wanted_ = 0, running_ = 0;
  uint64_t round_ = 0;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;  // last, so that they are joined before the rest goes
};

std::atomic<int64_t> chosen_threads{0};

}  // namespace

bool inside_parallel_tasks() { return inside; }

int64_t task_threads() { return chosen_threads > 0 ? chosen_threads.load() : at::get_num_threads(); }

void set_task_threads(int64_t threads) { chosen_threads = threads; }

void parallel_tasks(int64_t count, const std::function<void(int64_t)>& work) {
  if (inside) {
    for (int64_t i = 0; i < count; ++i) {
      work(i);
    }
    return;
  }
  static Pool pool;
  std::atomic<int64_t> next{0};
  std::mutex failure_mutex;
  std::exception_ptr failure;
  pool.run(std::min(count, task_threads()), [&] {
    try {
      for (int64_t i; (i = next++) < count;) {
        work(i);
      }
    } catch (...) {
      next = count;
      std::lock_guard lock(failure_mutex);
      if (!failure) {
        failure = std::current_exception();
      }
    }
  });
  if (failure) {
    std::rethrow_exception(failure);
  }
}

}  // namespace ufo
