#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>

#include <ufo/base/parallel.h>

namespace ufo {
namespace {

/// The calls work(0), ..., work(count - 1), for any number of threads to share.
class Calls {
 public:
  Calls(int64_t count, const std::function<void(int64_t)>& work) : count_(count), work_(work) {}

  bool left() const { return next_ < count_; }

  /// Makes calls until none is left.
  void take() noexcept {
    try {
      for (int64_t i; (i = next_++) < count_;) {
        work_(i);
      }
    } catch (...) {
      next_ = count_;
      std::lock_guard lock(mutex_);
      if (!failure_) {
        failure_ = std::current_exception();
      }
    }
  }

  /// The first exception of any call. All threads must have come back.
  void rethrow() const {
    if (failure_) {
      std::rethrow_exception(failure_);
    }
  }

 private:
  const int64_t count_;
  const std::function<void(int64_t)>& work_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

/// The threads of one call from outside. Those that find none of its calls left share the calls that the
/// others make from inside.
class Team {
 public:
  Team(Calls& calls, int64_t threads) : calls_(calls), busy_(threads) {
    shared_.reserve(static_cast<size_t>(threads));
  }

  /// What each of the threads does.
  void work() {
    calls_.take();
    ++idle_;
    if (--busy_ == 0) {
      announce();
    }
    for (uint32_t seen = changes_; busy_ > 0; seen = changes_) {
      if (!help()) {
        await_change(seen);
      }
    }
    --idle_;
  }

  int64_t idle() const { return idle_; }

  /// Makes `calls` together with whoever is idle.
  void share(Calls& calls) {
    Shared shared{calls};
    {
      std::lock_guard lock(mutex_);
      shared_.push_back(&shared);
    }
    announce();
    calls.take();
    for (uint32_t seen = changes_;; seen = changes_) {
      {
        std::lock_guard lock(mutex_);
        std::erase(shared_, &shared);
        if (shared.helpers == 0) {
          return;
        }
      }
      await_change(seen);
    }
  }

 private:
  struct Shared {
    Calls& calls;
    int64_t helpers = 0;
  };

  /// Joins one of the shared calls, whether there was any.
  bool help() {
    Shared* found = nullptr;
    {
      std::lock_guard lock(mutex_);
      const auto open =
          std::find_if(shared_.begin(), shared_.end(), [](Shared* shared) { return shared->calls.left(); });
      if (open == shared_.end()) {
        return false;
      }
      found = *open;
      ++found->helpers;
    }
    --idle_;
    found->calls.take();
    ++idle_;
    {
      std::lock_guard lock(mutex_);
      --found->helpers;
    }
    announce();
    return true;
  }

  void announce() {
    ++changes_;
    changes_.notify_all();
  }

  /// Until there was a change since `seen`: awake for a moment, since the next calls often come at once, then
  /// asleep, since others may want the core.
  void await_change(uint32_t seen) const {
    constexpr std::chrono::microseconds kAwake(100);
    constexpr int kTurns = 64;  // between looks at the clock
    const auto end = std::chrono::steady_clock::now() + kAwake;
    do {
      for (int turn = 0; turn < kTurns; ++turn) {
        if (changes_ != seen) {
          return;
        }
      }
      std::this_thread::yield();
    } while (std::chrono::steady_clock::now() < end);
    changes_.wait(seen);
  }

  Calls& calls_;
  std::atomic<int64_t> busy_, idle_{0};
  std::atomic<uint32_t> changes_{0};  ///< counts whatever a thread may wait for
  std::mutex mutex_;
  std::vector<Shared*> shared_;
};

thread_local Team* team = nullptr;  ///< that this thread works in

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

int64_t task_threads() { return chosen_threads > 0 ? chosen_threads.load() : at::get_num_threads(); }

void set_task_threads(int64_t threads) { chosen_threads = threads; }

int64_t idle_threads() { return team != nullptr ? team->idle() : task_threads() - 1; }

void parallel_tasks(int64_t count, const std::function<void(int64_t)>& work) {
  Calls calls(count, work);
  if (team != nullptr) {
    if (team->idle() > 0) {
      team->share(calls);
    } else {
      calls.take();
    }
  } else if (count > 0) {
    static Pool pool;
    const int64_t threads = task_threads();
    Team all(calls, threads);
    pool.run(threads, [&] {
      team = &all;
      all.work();
      team = nullptr;
    });
  }
  calls.rethrow();
}

}  // namespace ufo
