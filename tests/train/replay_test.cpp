#include "../../src/train/cuda/replay.h"

#include <gtest/gtest.h>

namespace ufo::train {
namespace {

/// Counts how the work was done.
struct Counts {
  int work = 0, recorded = 0, replayed = 0;
};

class CountingGraph final : public Graph {
 public:
  explicit CountingGraph(Counts& counts) : counts_(counts) {}
  void replay() override { ++counts_.replayed; }

 private:
  Counts& counts_;
};

/// Records, or refuses to as a device does.
class CountingPool final : public GraphPool {
 public:
  CountingPool(Counts& counts, bool refuses) : counts_(counts), refuses_(refuses) {}
  std::unique_ptr<Graph> record(const std::function<void()>&) override {
    if (refuses_) {
      throw std::runtime_error("operation not permitted when stream is capturing");
    }
    ++counts_.recorded;
    return std::make_unique<CountingGraph>(counts_);
  }

 private:
  Counts& counts_;
  bool refuses_;
};

Counts do_it(int times, std::unique_ptr<GraphPool> (*make_pool)(Counts&)) {
  Counts counts;
  Recorder recorder(make_pool(counts));
  Replay replay([&] { ++counts.work; }, recorder);
  for (int i = 0; i < times; ++i) {
    replay();
  }
  return counts;
}

std::unique_ptr<GraphPool> no_pool(Counts&) { return nullptr; }
std::unique_ptr<GraphPool> good_pool(Counts& counts) { return std::make_unique<CountingPool>(counts, false); }
std::unique_ptr<GraphPool> bad_pool(Counts& counts) { return std::make_unique<CountingPool>(counts, true); }

TEST(Replay, DoesTheWorkAFewTimesThenRecordsItOnce) {
  const Counts counts = do_it(10, good_pool);
  EXPECT_EQ(counts.work, 3);
  EXPECT_EQ(counts.recorded, 1);
  EXPECT_EQ(counts.replayed, 7);
}

TEST(Replay, DoesAllOfItAsItIsWithoutAPool) { EXPECT_EQ(do_it(10, no_pool).work, 10); }

TEST(Replay, GoesOnAsItIsWhereTheWorkCannotBeRecorded) {
  const Counts counts = do_it(10, bad_pool);
  EXPECT_EQ(counts.work, 10);
  EXPECT_EQ(counts.replayed, 0);
}

TEST(Replay, OfOtherWorkIsNotRecordedEitherOnceThatFailed) {
  Counts counts;
  Recorder recorder(bad_pool(counts));
  EXPECT_EQ(recorder.record([] {}), nullptr);
  EXPECT_FALSE(recorder.records());
}

TEST(Replay, CanBePreparedBeforeItIsNeeded) {
  Counts counts;
  Recorder recorder(good_pool(counts));
  Replay replay([&] { ++counts.work; }, recorder);
  replay.prepare();
  EXPECT_EQ(counts.recorded, 1);
  replay();
  EXPECT_EQ(counts.work, 3);
  EXPECT_EQ(counts.replayed, 1);
}

}  // namespace
}  // namespace ufo::train
