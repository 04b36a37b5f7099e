#include "graph.h"

#include "notes.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace ufo::simulated {
namespace {

thread_local Recording* recording = nullptr;

}  // namespace

Recording* Recording::current() { return recording; }

Recording::Recording(int64_t pool) : pool_(pool) {
  const c10::Device device(kType, 0);
  const c10::impl::VirtualGuardImpl streams(kType);
  TORCH_CHECK(streams.getStream(device) != streams.getDefaultStream(device),
              "simulated device: graphs must be captured on a non-default stream");
  TORCH_CHECK(recording == nullptr, "simulated device: a capture within a capture");
  Memory::instance().hold(pool);
  Memory::instance().take_from(pool);
  before_ = Memory::instance().snapshot();
  recording = this;
}

Recording::~Recording() {
  recording = nullptr;
  Memory& memory = Memory::instance();
  memory.restore(before_);
  memory.poison(pool_);
  memory.take_from(Memory::kEager);
  memory.let_go(pool_);
}

void Recording::add(std::function<void()> call, const std::string& signature) {
  calls_.push_back(std::move(call));
  signature_ += signature + "\n";
}

void Recording::uses(const Block& block) {
  if (block.pool != pool_) {
    outside_[&block] = block.born;
  }
}

/// A recording that is over.
class RecordedGraph final : public train::Graph {
 public:
  RecordedGraph(int64_t pool, const std::function<void()>& work) : pool_(pool) {
    Memory::instance().hold(pool);
    try {
      Recording own(pool);
      work();
      calls_ = std::move(own.calls_);
      outside_ = std::move(own.outside_);
      notes().recordings.push_back(own.signature_);
    } catch (...) {
      Memory::instance().let_go(pool);
      throw;
    }
  }
  ~RecordedGraph() override { Memory::instance().let_go(pool_); }
  RecordedGraph(const RecordedGraph&) = delete;
  RecordedGraph& operator=(const RecordedGraph&) = delete;

  void replay() override {
    for (const auto& [block, born] : outside_) {
      if (!block->live || block->born != born) {
        notes().faults.push_back("a graph uses memory that was freed since it was recorded");
      }
    }
    for (const auto& call : calls_) {
      call();
    }
    ++notes().replays;
  }

 private:
  int64_t pool_;
  std::vector<std::function<void()>> calls_;
  std::map<const Block*, int64_t> outside_;
};

namespace {

class Pool final : public train::GraphPool {
 public:
  Pool() : pool_(Memory::instance().make_pool()) {}
  ~Pool() override { Memory::instance().emptyCache({}); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::unique_ptr<train::Graph> record(const std::function<void()>& work) override {
    return std::make_unique<RecordedGraph>(pool_, work);
  }

 private:
  int64_t pool_;
};

}  // namespace

std::unique_ptr<train::GraphPool> make_graph_pool(at::Device) { return std::make_unique<Pool>(); }

}  // namespace ufo::simulated
