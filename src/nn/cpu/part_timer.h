#pragma once

#include <atomic>
#include <chrono>

#include <ufo/nn/profile.h>

namespace ufo::nn::cpu {

/// Adds the time from its construction to its end to one part of the profile, where one is being taken.
class PartTimer {
 public:
  explicit PartTimer(Part part, double flops = 0);
  ~PartTimer();
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  bool enabled_;
  Part part_;
  double flops_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace ufo::nn::cpu
