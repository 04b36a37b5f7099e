#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <c10/core/Device.h>

namespace ufo::simulated {

// A device that is not there, on LibTorch's PrivateUse1, to hold to CUDA's rules what is written for CUDA.
// It takes CUDA's place in the program by a libufo_cuda.so of its own.
//  - No address of its memory can be read or written by the host: that faults at once.
//  - Each call of ATen's runs on the CPU's kernel, over the same bytes, and is noted.
//  - What makes the host wait on CUDA is noted, and refused while a graph is recorded.
//  - A graph is a list of calls on addresses. While it is recorded nothing is done; its memory comes from a
//    pool, which holds NaN when the recording is over.
//  - Copies between pinned memory and the device are under way until the host has waited for an event.
// It cannot show what happens inside CUDA's kernels, between streams, or how long anything takes.

inline constexpr c10::DeviceType kType = c10::DeviceType::PrivateUse1;

/// What the device was asked for since it was told to forget.
struct Seen {
  std::vector<std::string> calls;   ///< of ATen's functions, each at least one launch of a kernel
  double bytes = 0;                 ///< that they read and write, each tensor once a call
  std::vector<std::string> waits;   ///< what makes the host wait for the device
  std::vector<std::string> faults;  ///< what would give wrong numbers on CUDA
  /// Of each graph its calls with all that they hold fast: shapes and numbers of the host.
  std::vector<std::string> recordings;
  int64_t replays = 0;  ///< of graphs
};

const Seen& seen();
void forget();

/// Makes the device known to LibTorch; to be called before anything else, once or more.
void start();

}  // namespace ufo::simulated
