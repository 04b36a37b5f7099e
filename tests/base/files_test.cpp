#include "support/temporary_folder.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>

namespace ufo {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  const TemporaryFolder temporary_;
  const fs::path& folder_ = temporary_.path();
};

TEST_F(Files, WritesTheContentAndLeavesNoTemporaryFile) {
  write_file_atomically(folder_ / "a", "old and longer");
  write_file_atomically(folder_ / "a", "new");
  EXPECT_EQ(read_file(folder_ / "a"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, JoinsTheParts) {
  const std::string one = "one", two = "two";
  const std::vector<std::span<const std::byte>> parts{
      std::as_bytes(std::span(one)), {}, std::as_bytes(std::span(two))};
  write_file_atomically(folder_ / "a", parts);
  EXPECT_EQ(read_file(folder_ / "a"), "onetwo");
}

TEST_F(Files, FillsAMappedFile) {
  write_file_atomically(folder_ / "a", 5, [](std::span<std::byte> content) {
    ASSERT_EQ(content.size(), 5u);
    EXPECT_EQ(content[4], std::byte{0});
    content[0] = std::byte{'x'};
  });
  EXPECT_EQ(read_file(folder_ / "a"), std::string("x\0\0\0\0", 5));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, LeavesTheTargetAsItIsWhereTheFillingFails) {
  write_file_atomically(folder_ / "a", "old");
  EXPECT_THROW(write_file_atomically(folder_ / "a", 5, [](std::span<std::byte>) { throw DataError("bad"); }),
               DataError);
  EXPECT_EQ(read_file(folder_ / "a"), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, RefusesAFileLargerThanTheDisk) {
  EXPECT_THROW(write_file_atomically(folder_ / "a", size_t{1} << 60, [](std::span<std::byte>) {}), UserError);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 0);
}

TEST_F(Files, OverwritesATemporaryFileThatAKilledWriterLeft) {
  std::ofstream(folder_ / "a.tmp") << "left over, and longer than the content";
  write_file_atomically(folder_ / "a", "new");
  EXPECT_EQ(read_file(folder_ / "a"), "new");
  EXPECT_FALSE(fs::exists(folder_ / "a.tmp"));
}

TEST_F(Files, NamesThePathAndTheReason) {
  try {
    write_file_atomically(folder_ / "missing" / "a", "x");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.what(),
              (folder_ / "missing/a.tmp").string() + ": cannot write: No such file or directory");
  }
}

TEST_F(Files, LeavesTheTargetAloneWhereItCannotBeReplaced) {
  fs::create_directories(folder_ / "a" / "inside");
  EXPECT_THROW(write_file_atomically(folder_ / "a", "x"), UserError);
  EXPECT_TRUE(fs::exists(folder_ / "a" / "inside"));
  EXPECT_FALSE(fs::exists(folder_ / "a.tmp"));
}

TEST_F(Files, ReadersNeverSeeAMixtureOfTwoWriters) {
  const fs::path path = folder_ / "a";
  write_file_atomically(path, std::string(100000, 'a'));
  std::atomic<bool> done = false;
  std::vector<std::thread> writers;
  for (char letter : {'b', 'c', 'd'}) {
    writers.emplace_back([&, letter] {
      for (int i = 0; i < 20; ++i) {
        write_file_atomically(path, std::string(100000, letter));
      }
    });
  }
  std::thread reader([&] {
    while (!done) {
      const std::string content = read_file(path);
      EXPECT_EQ(content, std::string(100000, content.empty() ? '?' : content[0]));
    }
  });
  for (std::thread& writer : writers) {
    writer.join();
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace ufo
