#pragma once

#include "cuda/interface.h"

#include <functional>
#include <memory>

namespace ufo::train {

/// Work of fixed shapes on a device, done again and again: a few times as it is, which lets libraries choose
/// their algorithms and memory grow; then recorded into a CUDA graph, and replayed from there on. The work
/// must take its input from, and leave its results in, the same tensors each time.
class Replay {
 public:
  enum class Mode { as_it_is, recorded };

  Replay(std::function<void()> work, Mode mode) : work_(std::move(work)), mode_(mode) {}

  void operator()();

 private:
  std::function<void()> work_;
  Mode mode_;
  int warm_up_ = 0;
  std::unique_ptr<cuda::Graph> graph_;
};

}  // namespace ufo::train
