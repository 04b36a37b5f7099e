#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/Store.hpp>

namespace ufo::train {

/// Finds out that another process has died, hangs as a whole, or cannot be reached. Each process writes a
/// number into the store that grows every `interval`, from a thread of its own, so that a long step is never
/// taken for a death. Rank 0 watches all, the others watch rank 0: once it has ended, they end too.
class Heartbeat {
 public:
  struct Options {
    std::chrono::milliseconds interval = std::chrono::seconds(1);
    std::chrono::milliseconds limit = std::chrono::seconds(25);  ///< of silence; within a minute even twice
  };

  /// `store` for this object alone. `lost` is called at most once, from another thread, with one line that
  /// says who fell silent. All processes must have called announce() before.
  Heartbeat(c10::intrusive_ptr<c10d::Store> store, int64_t rank, int64_t size, const Options& options,
            std::function<void(const std::string&)> lost);

  /// Stops; the others will notice unless leave() came before.
  ~Heartbeat();

  /// Writes the first beat of `rank`.
  static void announce(c10d::Store& store, int64_t rank);

  /// Stops, and tells the others that this process ends in good order.
  void leave();

 private:
  using Clock = std::chrono::steady_clock;
  struct Peer {
    int64_t rank;
    std::vector<uint8_t> last = {};
    Clock::time_point changed = Clock::now();
    bool left = false;
  };

  void exchange_until_stopped();
  void exchange(int64_t beat);
  void watch_until_stopped();
  std::string silent_one();
  void stop(bool in_good_order);

  c10::intrusive_ptr<c10d::Store> store_;
  int64_t rank_;
  Options options_;
  std::function<void(const std::string&)> lost_;

  std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  std::vector<Peer> peers_;
  Clock::time_point last_exchange_ = Clock::now();
  std::string failure_;  ///< of the store, if it failed
  bool stopping_ = false, leaving_ = false, watching_ = true;
  std::thread exchanger_, watcher_;
};

}  // namespace ufo::train
