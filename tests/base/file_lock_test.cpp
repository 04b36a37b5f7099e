#include "support/temporary_folder.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <ufo/base/file_lock.h>

namespace ufo {
namespace {

TEST(FileLock, KeepsOthersWaitingAndLeavesNoFile) {
  const TemporaryFolder folder;
  std::atomic<int> inside = 0, most = 0;
  std::vector<std::future<void>> holders;
  for (int i = 0; i < 4; ++i) {
    holders.push_back(std::async(std::launch::async, [&] {
      const FileLock lock(folder / "a.lock");
      const int now = ++inside;
      most = std::max(most.load(), now);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      --inside;
    }));
  }
  for (auto& holder : holders) {
    holder.get();
  }
  EXPECT_EQ(most, 1);
  EXPECT_FALSE(std::filesystem::exists(folder / "a.lock"));
}

TEST(FileLock, NobodyWaitsWhereTheFileCannotBeMade) {
  const TemporaryFolder folder;
  const FileLock one(folder / "none/a.lock"), other(folder / "none/a.lock");
}

}  // namespace
}  // namespace ufo
