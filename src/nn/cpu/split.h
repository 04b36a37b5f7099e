#pragma once

#include <algorithm>
#include <cstdint>

#include <ufo/base/parallel.h>

namespace ufo::nn::cpu {

/// Calls work(begin, end) on parts of [0, count), each a multiple of `grain` but the last: in one piece
/// unless threads are idle and every piece is worth waking one.
template <class Work>
void split(int64_t count, int64_t grain, double flops, Work&& work) {
  constexpr double kWorthAThread = 4e6;
  const int64_t pieces =
      std::min({1 + idle_threads(), static_cast<int64_t>(flops / kWorthAThread), count / grain});
  if (pieces <= 1) {
    work(0, count);
    return;
  }
  const auto bound = [&](int64_t piece) {
    return piece == pieces ? count : count * piece / pieces / grain * grain;
  };
  parallel_tasks(pieces, [&](int64_t piece) { work(bound(piece), bound(piece + 1)); });
}

}  // namespace ufo::nn::cpu
