#pragma once

#include <functional>
#include <memory>

namespace ufo::train {

/// Work on a device that was recorded once and is done again by one call.
class Graph {
 public:
  virtual ~Graph() = default;

  /// Launches the work on the current stream.
  virtual void replay() = 0;
};

/// Graphs of one device that share the memory they work in: they run one after the other on one stream, and
/// what one leaves for others lies in tensors from outside. To be destroyed after its graphs; gives their
/// memory back.
class GraphPool {
 public:
  virtual ~GraphPool() = default;

  /// Records what `work` launches on the current stream, doing none of it. Throws what `work` throws, and
  /// std::exception where it did what cannot be recorded; nothing is being recorded then, but the pool must
  /// not be used again.
  virtual std::unique_ptr<Graph> record(const std::function<void()>& work) = 0;
};

/// Makes a pool on the device that it was made for; where it is empty, nothing can be recorded.
using GraphPoolMaker = std::function<std::unique_ptr<GraphPool>()>;

}  // namespace ufo::train
