#include "simulated_device.h"

#include "graph.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::simulated {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// What a test launches goes to a stream that can be recorded.
class SimulatedDevice : public testing::Test {
 protected:
  SimulatedDevice() { start(); }

  void SetUp() override {
    at::globalContext().lazyInitDevice(kType);
    stream_.emplace(streams_.getStreamFromGlobalPool(device_));
    forget();
  }

  at::Tensor ones(int64_t count = 8) const { return at::ones({count}, at::TensorOptions(device_)); }

  std::unique_ptr<train::Graph> record(const std::function<void()>& work) {
    pool_ = make_graph_pool(device_);
    return pool_->record(work);
  }

  c10::Event event() const {
    c10::Event event(kType);
    event.record(streams_.getStream(device_));
    return event;
  }

  const c10::Device device_{kType, 0};
  const c10::impl::VirtualGuardImpl streams_{kType};
  std::optional<c10::StreamGuard> stream_;
  std::unique_ptr<train::GraphPool> pool_;
};
using SimulatedDeviceDeathTest = SimulatedDevice;

std::string message(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST_F(SimulatedDeviceDeathTest, FaultsWhereTheHostTouchesItsMemory) {
  const at::Tensor there = ones();
  EXPECT_DEATH(std::printf("%g", static_cast<double>(there.data_ptr<float>()[3])), "");
}

TEST_F(SimulatedDevice, GivesTheNumbersOfTheCpu) {
  const at::Tensor here = at::linspace(-1, 1, 2 * 3 * 8 * 8).view({2, 3, 8, 8}), there = here.to(device_);
  const at::Tensor w = at::linspace(-1, 1, 4 * 3 * 9).view({4, 3, 3, 3});
  const auto work = [&](const at::Tensor& x) {
    return at::softmax(at::conv2d(x, w.to(x.device()), {}, 2, 1).flatten(1), -1).sum(0);
  };
  EXPECT_TRUE(work(there).cpu().equal(work(here)));
}

TEST_F(SimulatedDevice, CountsCallsAndTheirBytes) {
  const at::Tensor there = ones(100);
  forget();
  const at::Tensor sum = there + there;
  EXPECT_THAT(seen().calls, ElementsAre("aten::add.out"));
  EXPECT_GE(seen().bytes, 3 * 400);
  EXPECT_THAT(seen().waits, IsEmpty());
}

TEST_F(SimulatedDevice, NotesWhatMakesTheHostWait) {
  const at::Tensor there = ones(), mask = there > 0;
  const std::pair<const char*, std::function<void()>> waiting[] = {
      {"item", [&] { there.sum().item<float>(); }},
      {"masked_select", [&] { there.masked_select(mask); }},
      {"nonzero", [&] { there.index({mask}); }},
      {"copy to the host", [&] { there.cpu(); }},
      {"copy from the host", [&] { there.copy_(at::zeros({8})); }},
      {"copy from the host", [&] { there.copy_(at::zeros({8}), true); }},  // not pinned
      {"synchronize", [&] { streams_.synchronizeDevice(0); }},
  };
  for (const auto& [what, work] : waiting) {
    forget();
    work();
    EXPECT_THAT(seen().waits, ElementsAre(HasSubstr(what)));
    EXPECT_THAT(message([&] { record(work); }), HasSubstr("not permitted when stream is capturing")) << what;
  }
}

TEST_F(SimulatedDevice, RefusesATensorOfTheHostAmongItsOwn) {
  EXPECT_THAT(message([&] { ones().index_select(0, at::arange(3)); }), HasSubstr("a tensor of the host"));
  EXPECT_EQ(message([&] { ones() * at::scalar_tensor(2); }), "") << "of no dimension, as CUDA allows it";
}

TEST_F(SimulatedDevice, ReplaysARecordingOnNewInput) {
  const at::Tensor in = ones(), out = at::zeros_like(in);
  const auto graph = record([&] { out.copy_((in * 2 + 1).cumsum(0)); });
  EXPECT_TRUE(out.eq(0).all().item<bool>()) << "recorded, not done";
  in.fill_(3);
  graph->replay();
  EXPECT_TRUE(out.cpu().equal(at::full({8}, 7.0f).cumsum(0)));
}

TEST_F(SimulatedDevice, ShowsANumberOfTheHostThatAGraphHoldsFast) {
  const at::Tensor in = ones(), out = at::zeros_like(in);
  double rate = 0.5;
  const auto work = [&] { out.copy_(in * rate); };
  const auto graph = record(work);
  rate = 0.25;
  graph->replay();
  EXPECT_EQ(out[0].item<float>(), 0.5f) << "the replay does not see the new number";
  record(work);
  ASSERT_THAT(seen().recordings, SizeIs(2));
  EXPECT_NE(seen().recordings[0], seen().recordings[1]) << "and two recordings differ in it";
}

TEST_F(SimulatedDevice, RecordsTheSameTwiceWhereTheHostHasNoPart) {
  const at::Tensor in = ones(), out = at::zeros_like(in), rate = at::ones({}, in.options());
  const auto work = [&] { out.copy_(in * rate); };
  record(work);
  rate.fill_(7);
  record(work);
  ASSERT_THAT(seen().recordings, SizeIs(2));
  EXPECT_EQ(seen().recordings[0], seen().recordings[1]);
}

TEST_F(SimulatedDevice, ShowsAGraphThatReadsFreedMemory) {
  at::Tensor in = ones();
  const at::Tensor out = at::zeros_like(in);
  const auto graph = record([&] { out.copy_(in * 2); });
  graph->replay();
  EXPECT_THAT(seen().faults, IsEmpty());
  in.reset();
  graph->replay();
  EXPECT_THAT(seen().faults, ElementsAre(HasSubstr("freed since it was recorded")));
}

TEST_F(SimulatedDevice, LeavesNothingInAPool) {
  at::Tensor made;
  const auto graph = record([&] { made = ones() * 2; });
  EXPECT_TRUE(made.isnan().all().item<bool>());
}

TEST_F(SimulatedDevice, RefusesAPoolWhoseGraphsAreAllGone) {
  const at::Tensor out = ones();
  record([&] { out.add_(1); });
  EXPECT_THAT(message([&] { pool_->record([&] { out.add_(1); }); }), HasSubstr("all graphs of this pool"));
}

TEST_F(SimulatedDevice, EndsARecordingWhoseWorkThrows) {
  const at::Tensor out = ones();
  EXPECT_THROW(record([&] {
                 out.add_(1);
                 throw std::runtime_error("no");
               }),
               std::runtime_error);
  EXPECT_EQ(out.sum().item<float>(), 8) << "which waits, and so is refused within a recording";
}

TEST_F(SimulatedDevice, RecordsOnNoDefaultStream) {
  const c10::StreamGuard guard(streams_.getDefaultStream(device_));
  EXPECT_THAT(message([&] { record([] {}); }), HasSubstr("non-default stream"));
}

TEST_F(SimulatedDevice, GivesBackTheMemoryOfAPool) {
  const auto reserved = [&] {
    return c10::getDeviceAllocator(kType)->getDeviceStats(0).reserved_bytes[0].current;
  };
  const at::Tensor in = ones(1 << 20), out = at::zeros_like(in);
  const auto before = reserved();
  auto graph = record([&] { out.copy_(in * 2 + 1); });
  EXPECT_GT(reserved(), before);
  graph.reset();
  pool_.reset();
  EXPECT_EQ(reserved(), before);
}

TEST_F(SimulatedDevice, BringsCopiesToPinnedMemoryAtTheirEvent) {
  const at::Tensor here = at::zeros({8}, at::TensorOptions().pinned_memory(true));
  here.copy_(ones(), true);
  const c10::Event done = event();
  EXPECT_EQ(here[0].item<float>(), 0);
  EXPECT_FALSE(done.query());
  done.synchronize();
  EXPECT_EQ(here[0].item<float>(), 1);
  EXPECT_THAT(seen().waits, IsEmpty());
}

TEST_F(SimulatedDevice, ShowsPinnedMemoryThatIsWrittenTooEarly) {
  const at::Tensor here = at::zeros({8}).pin_memory(), there = ones();
  there.copy_(here, true);
  here.fill_(3);
  event().synchronize();
  EXPECT_THAT(seen().faults, ElementsAre(HasSubstr("pinned memory was written")));
}

}  // namespace
}  // namespace ufo::simulated
