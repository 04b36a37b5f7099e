#pragma once

#include <atomic>
#include <chrono>

#include <ufo/nn/profile.h>

namespace ufo::nn::cpu {

/// Floating-point operations of a product: those that were done, and those of the direct form of the same.
struct Flops {
  double done = 0, direct = 0;
};

/// Adds the time from its construction to its end to one part of the profile, where one is being taken.
class PartTimer {
 public:
  explicit PartTimer(Part part, Flops flops = {});
  ~PartTimer();
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  bool enabled_;
  Part part_;
  Flops flops_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace ufo::nn::cpu
