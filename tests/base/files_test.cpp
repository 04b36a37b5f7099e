#include "support/temporary_folder.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <fcntl.h>
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

TEST_F(Files, LeavesOtherFilesAlone) {
  std::ofstream(folder_ / "a.tmp") << "mine";
  write_file_atomically(folder_ / "a", "new");
  EXPECT_EQ(read_file(folder_ / "a.tmp"), "mine");
}

TEST_F(Files, NamesThePathAndTheReason) {
  try {
    write_file_atomically(folder_ / "missing" / "a", "x");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_EQ(error.what(), (folder_ / "missing/a").string() + ": cannot write: No such file or directory");
  }
}

TEST_F(Files, LeavesTheTargetAloneWhereItCannotBeReplaced) {
  fs::create_directories(folder_ / "a" / "inside");
  EXPECT_THROW(write_file_atomically(folder_ / "a", "x"), UserError);
  EXPECT_TRUE(fs::exists(folder_ / "a" / "inside"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(Files, FollowsLinksToTheFile) {
  fs::create_directories(folder_ / "b");
  fs::create_symlink("b/link", folder_ / "a");
  fs::create_symlink("file", folder_ / "b/link");
  for (const std::string content : {"first", "second"}) {
    write_file_atomically(folder_ / "a", content);
    EXPECT_TRUE(fs::is_symlink(folder_ / "a"));
    EXPECT_TRUE(fs::is_symlink(folder_ / "b/link"));
    EXPECT_EQ(read_file(folder_ / "b/file"), content);
  }
}

TEST_F(Files, KeepsThePermissionsOfTheFile) {
  write_file_atomically(folder_ / "a", "old");
  fs::permissions(folder_ / "a", fs::perms::owner_all | fs::perms::group_read);
  write_file_atomically(folder_ / "a", "new");
  EXPECT_EQ(fs::status(folder_ / "a").permissions(), fs::perms::owner_all | fs::perms::group_read);
  EXPECT_EQ(read_file(folder_ / "a"), "new");
}

TEST_F(Files, WritesThroughWhatIsNoRegularFile) {
  write_file_atomically("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_THROW(write_file_atomically("/dev/full", "x"), UserError);

  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const auto received = [&](const std::function<void()>& write) {
    std::string content;
    std::thread reader([&] { content = read_file(pipe); });
    write();
    reader.join();
    return content;
  };
  EXPECT_EQ(received([&] { write_file_atomically(pipe, "one"); }), "one");
  EXPECT_EQ(received([&] {
              write_file_atomically(pipe, 3, [](std::span<std::byte> part) { part[1] = std::byte{'x'}; });
            }),
            std::string("\0x\0", 3));
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST_F(Files, WritesOnWhereAnOpenDescriptorHasGotTo) {
  const int descriptor = ::open((folder_ / "a").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(descriptor, "before ", 7), 7);
  write_file_atomically("/dev/fd/" + std::to_string(descriptor), "through ");
  ASSERT_EQ(::write(descriptor, "after", 5), 5);
  ::close(descriptor);
  EXPECT_EQ(read_file(folder_ / "a"), "before through after");
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
