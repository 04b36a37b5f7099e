#include "distributed/heartbeat.h"

#include <utility>

namespace ufo::train {
namespace {

const std::string kLeft = "left";

std::string key(int64_t rank) { return "heartbeat/" + std::to_string(rank); }

std::vector<uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

long long seconds(std::chrono::milliseconds duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

Heartbeat::Heartbeat(c10::intrusive_ptr<c10d::Store> store, int64_t rank, int64_t size,
                     const Options& options, std::function<void(const std::string&)> lost)
    : store_(std::move(store)), rank_(rank), options_(options), lost_(std::move(lost)) {
  for (int64_t peer = 0; peer < size; ++peer) {
    if (peer != rank && (rank == 0 || peer == 0)) {
      peers_.push_back({.rank = peer});
    }
  }
  exchanger_ = std::thread([this] { exchange_until_stopped(); });
  watcher_ = std::thread([this] { watch_until_stopped(); });
}

Heartbeat::~Heartbeat() { stop(false); }

void Heartbeat::announce(c10d::Store& store, int64_t rank) { store.set(key(rank), bytes("0")); }

void Heartbeat::leave() { stop(true); }

void Heartbeat::stop(bool in_good_order) {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    leaving_ = in_good_order;
  }
  wake_.notify_all();
  // The exchange may hang where the store has gone: the watcher guards that too, so it stops last.
  if (exchanger_.joinable()) {
    exchanger_.join();
  }
  {
    std::lock_guard lock(mutex_);
    watching_ = false;
  }
  wake_.notify_all();
  if (watcher_.joinable()) {
    watcher_.join();
  }
}

void Heartbeat::exchange_until_stopped() {
  try {
    for (int64_t beat = 1;; ++beat) {
      exchange(beat);
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, options_.interval, [this] { return stopping_; })) {
        break;
      }
    }
    if (leaving_) {
      store_->set(key(rank_), bytes(kLeft));
    }
  } catch (const std::exception& error) {
    std::lock_guard lock(mutex_);
    const std::string what = error.what();
    failure_ = what.substr(0, what.find('\n'));
  }
}

void Heartbeat::exchange(int64_t beat) {
  store_->set(key(rank_), bytes(std::to_string(beat)));
  std::vector<std::string> keys;
  for (const Peer& peer : peers_) {
    keys.push_back(key(peer.rank));
  }
  const std::vector<std::vector<uint8_t>> values = store_->multiGet(keys);
  std::lock_guard lock(mutex_);
  last_exchange_ = Clock::now();
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (values[i] != peers_[i].last) {
      peers_[i].last = values[i];
      peers_[i].changed = last_exchange_;
      peers_[i].left = values[i] == bytes(kLeft);
    }
  }
}

std::string Heartbeat::silent_one() {
  const auto now = Clock::now();
  const std::string time = " for " + std::to_string(seconds(options_.limit)) + " s";
  if (now - last_exchange_ > options_.limit) {
    return "no connection" + time + " to the place where the processes met" +
           (failure_.empty() ? "" : " (" + failure_ + ")");
  }
  for (const Peer& peer : peers_) {
    if (!peer.left && now - peer.changed > options_.limit) {
      return "no sign of life" + time + " from rank " + std::to_string(peer.rank);
    }
  }
  return "";
}

void Heartbeat::watch_until_stopped() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, options_.interval, [this] { return !watching_; })) {
    if (const std::string who = silent_one(); !who.empty()) {
      lock.unlock();
      lost_(who);
      return;
    }
  }
}

}  // namespace ufo::train
