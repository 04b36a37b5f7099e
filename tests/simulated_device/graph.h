#pragma once

#include "memory.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ufo/train/graph.h>

namespace ufo::simulated {

/// What a thread records: calls on addresses.
class Recording {
 public:
  /// That of this thread; nullptr where it records nothing.
  static Recording* current();

  /// Begins one whose memory comes from `pool`, on a stream that is not the default one.
  explicit Recording(int64_t pool);

  /// Ends it: what the device holds is what it held before, and the pool holds nothing.
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// Notes a call that can be done again, with all that it holds fast.
  void add(std::function<void()> call, const std::string& signature);

  /// Notes a use of memory.
  void uses(const Block& block);

 private:
  friend class RecordedGraph;

  int64_t pool_;
  std::vector<std::function<void()>> calls_;
  std::string signature_;
  std::map<const Block*, int64_t> outside_;  ///< what is used beyond the pool, and when that was born
  std::vector<char> before_;
};

/// As the program's library for CUDA makes them.
std::unique_ptr<train::GraphPool> make_graph_pool(at::Device device);

}  // namespace ufo::simulated
