#pragma once

#include <functional>
#include <memory>

#include <ufo/train/graph.h>

namespace ufo::train {

/// Records work into graphs until that fails for the first time; that is said in the log, and from then on,
/// as from the start where there is no pool, nothing is recorded.
class Recorder {
 public:
  explicit Recorder(std::unique_ptr<GraphPool> pool) : pool_(std::move(pool)), records_(pool_ != nullptr) {}

  bool records() const { return records_; }

  /// nullptr where it failed.
  std::unique_ptr<Graph> record(const std::function<void()>& work);

 private:
  std::unique_ptr<GraphPool> pool_;
  bool records_;
};

/// Work of fixed shapes on a device, done again and again: a few times as it is, which lets libraries choose
/// their algorithms and memory grow; then recorded into a graph, and replayed from there on. The work must
/// take its input from, and leave its results in, the same tensors each time. `recorder` must outlive it.
class Replay {
 public:
  Replay(std::function<void()> work, Recorder& recorder) : work_(std::move(work)), recorder_(recorder) {}

  void operator()();

  /// Does the work as often as it takes to record it, and records it. For work that may be done any number of
  /// times.
  void prepare();

 private:
  void record();

  std::function<void()> work_;
  Recorder& recorder_;
  int warm_up_ = 0;
  std::unique_ptr<Graph> graph_;
};

}  // namespace ufo::train
