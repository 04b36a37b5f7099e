#include <array>
#include <atomic>
#include <csignal>

#include <ufo/train/signals.h>

namespace ufo::train {
namespace {

std::atomic<int> first_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing that locks");

constexpr std::array kWatched = {SIGINT, SIGTERM, SIGHUP};
std::array<struct sigaction, kWatched.size()> before;

void note(int signal) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
}

}  // namespace

SignalWatch::SignalWatch() {
  first_signal = 0;
  for (size_t i = 0; i < kWatched.size(); ++i) {
    ::sigaction(kWatched[i], nullptr, &before[i]);
    if (before[i].sa_handler == SIG_IGN) {
      continue;  // as nohup and a shell's background job ask for
    }
    struct sigaction action {};
    action.sa_handler = note;
    sigemptyset(&action.sa_mask);
    action.sa_flags = static_cast<int>(kWatched[i] == SIGINT ? SA_RESTART | SA_RESETHAND : SA_RESTART);
    ::sigaction(kWatched[i], &action, nullptr);
  }
}

SignalWatch::~SignalWatch() {
  for (size_t i = 0; i < kWatched.size(); ++i) {
    ::sigaction(kWatched[i], &before[i], nullptr);
  }
}

int SignalWatch::received() { return first_signal; }

}  // namespace ufo::train
