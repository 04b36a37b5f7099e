#include "part_timer.h"

namespace ufo::nn::cpu {
namespace {

std::atomic<bool> enabled{false};
std::array<std::atomic<double>, 4> seconds;
std::atomic<double> flops, direct_flops;

}  // namespace

PartTimer::PartTimer(Part part, Flops flops)
    : enabled_(enabled.load(std::memory_order_relaxed)), part_(part), flops_(flops) {
  if (enabled_) {
    start_ = std::chrono::steady_clock::now();
  }
}

PartTimer::~PartTimer() {
  if (enabled_) {
    seconds[static_cast<size_t>(part_)] +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    flops += flops_.done;
    direct_flops += flops_.direct;
  }
}

}  // namespace ufo::nn::cpu

namespace ufo::nn {

void start_profile() {
  for (auto& s : cpu::seconds) {
    s = 0;
  }
  cpu::flops = 0;
  cpu::direct_flops = 0;
  cpu::enabled = true;
}

Profile stop_profile() {
  cpu::enabled = false;
  Profile profile{.convolution_flops = cpu::flops, .direct_convolution_flops = cpu::direct_flops};
  for (size_t i = 0; i < profile.seconds.size(); ++i) {
    profile.seconds[i] = cpu::seconds[i];
  }
  return profile;
}

}  // namespace ufo::nn
