#include <csignal>

#include <gtest/gtest.h>

#include <ufo/train/signals.h>

namespace ufo::train {
namespace {

TEST(SignalWatch, NotesTheFirstSignal) {
  {
    const SignalWatch watch;
    EXPECT_EQ(SignalWatch::received(), 0);
    std::raise(SIGTERM);
    std::raise(SIGINT);
    EXPECT_EQ(SignalWatch::received(), SIGTERM);
  }
  const SignalWatch again;
  EXPECT_EQ(SignalWatch::received(), 0);
}

TEST(SignalWatch, NotesAHangUp) {
  const SignalWatch watch;
  std::raise(SIGHUP);
  EXPECT_EQ(SignalWatch::received(), SIGHUP);
}

TEST(SignalWatch, WhatIsIgnoredStaysIgnored) {
  const auto before = std::signal(SIGINT, SIG_IGN);
  {
    const SignalWatch watch;
    std::raise(SIGINT);
    EXPECT_EQ(SignalWatch::received(), 0);
  }
  EXPECT_EQ(std::signal(SIGINT, before), SIG_IGN);
}

TEST(SignalWatchDeathTest, ASecondInterruptEndsTheProgram) {
  EXPECT_EXIT(
      {
        const SignalWatch watch;
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace ufo::train
