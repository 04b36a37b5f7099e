#include "support/temporary_folder.h"

#include <cstdio>
#include <filesystem>

#include <gtest/gtest.h>

#include <ufo/base/mapped_file.h>

namespace ufo {
namespace {

TEST(MappedFile, HoldsTheBytesOfAFileThatWentAway) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(folder.write("a", "some bytes"));
  ASSERT_TRUE(file);
  std::filesystem::remove(folder / "a");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file->data()), file->size()), "some bytes");
  EXPECT_FALSE(MappedFile::open(folder / "a"));
}

TEST(MappedFile, ThatIsCutWhileItIsInUseEndsTheProgramWithALine) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a", std::string(1 << 20, 'x'));
  EXPECT_EXIT(
      {
        end_at_cut_files();
        const auto file = MappedFile::open(path);
        std::filesystem::resize_file(path, 0);
        std::putchar(static_cast<int>(file->data()[file->size() - 1]));
      },
      testing::ExitedWithCode(1), "a mapped file, such as the cache of images, was cut while it was in use");
}

}  // namespace
}  // namespace ufo
