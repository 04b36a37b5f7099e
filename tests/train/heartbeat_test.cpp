#include "distributed/heartbeat.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

namespace ufo::train {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Heartbeat::Options kQuick{.interval = 5ms, .limit = 1000ms};
constexpr auto kLongerThanTheLimit = 2000ms;

/// What a Heartbeat says once another process is lost.
class Loss {
 public:
  std::function<void(const std::string&)> callback() {
    return [this](const std::string& who) { who_.set_value(who); };
  }

  /// "" where nobody is lost within `time`.
  std::string within(std::chrono::milliseconds time) {
    return future_.wait_for(time) == std::future_status::ready ? future_.get() : "";
  }

 private:
  std::promise<std::string> who_;
  std::future<std::string> future_ = who_.get_future();
};

class HeartbeatTest : public testing::Test {
 protected:
  HeartbeatTest() {
    for (int64_t rank = 0; rank < 3; ++rank) {
      Heartbeat::announce(*store_, rank);
    }
  }

  std::unique_ptr<Heartbeat> beat(int64_t rank, Loss& loss) {
    return std::make_unique<Heartbeat>(store_, rank, 3, kQuick, loss.callback());
  }

  c10::intrusive_ptr<c10d::Store> store_ = c10::make_intrusive<c10d::HashStore>();
};

TEST_F(HeartbeatTest, HoldsNobodyLostWhoseStepTakesLong) {
  Loss loss[3];
  const auto first = beat(0, loss[0]), second = beat(1, loss[1]), third = beat(2, loss[2]);
  EXPECT_EQ(loss[0].within(kLongerThanTheLimit), "");
  EXPECT_EQ(loss[1].within(0ms), "");
  EXPECT_EQ(loss[2].within(0ms), "");
}

TEST_F(HeartbeatTest, Rank0NamesTheOneThatFellSilent) {
  Loss loss[3];
  const auto first = beat(0, loss[0]), second = beat(1, loss[1]);
  beat(2, loss[2]).reset();
  EXPECT_THAT(loss[0].within(30s), HasSubstr("from rank 2"));
  EXPECT_EQ(loss[1].within(0ms), "") << "the others watch rank 0 alone";
}

TEST_F(HeartbeatTest, TheOthersNoticeThatRank0FellSilent) {
  Loss loss[3];
  const auto second = beat(1, loss[1]), third = beat(2, loss[2]);
  beat(0, loss[0]).reset();
  EXPECT_THAT(loss[1].within(30s), HasSubstr("from rank 0"));
  EXPECT_THAT(loss[2].within(30s), HasSubstr("from rank 0"));
}

TEST_F(HeartbeatTest, HoldsNobodyLostWhoLeft) {
  Loss loss[3];
  const auto first = beat(0, loss[0]), second = beat(1, loss[1]);
  beat(2, loss[2])->leave();
  EXPECT_EQ(loss[0].within(kLongerThanTheLimit), "");
}

/// A store whose machine is gone.
class GoneStore final : public c10d::HashStore {
 public:
  std::vector<std::vector<uint8_t>> multiGet(const std::vector<std::string>&) override {
    throw std::runtime_error("connection reset\nand more");
  }
};

TEST_F(HeartbeatTest, NoticesThatTheStoreIsGone) {
  Loss loss;
  const Heartbeat heartbeat(c10::make_intrusive<GoneStore>(), 1, 3, kQuick, loss.callback());
  const std::string what = loss.within(30s);
  EXPECT_THAT(what, HasSubstr("no connection"));
  EXPECT_THAT(what, HasSubstr("(connection reset)"));
}

}  // namespace
}  // namespace ufo::train
