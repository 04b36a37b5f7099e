#include "small_images.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/data/idx.h>

namespace ufo::data {
namespace {

TEST(Idx, GivesTheBytesInTheSizesOfItsHeader) {
  const TemporaryFolder folder;
  write_text(folder.path() / "x", std::string("\0\0\x08\2\0\0\0\2\0\0\0\3\1\2\3\4\5\6", 18));
  EXPECT_TRUE(read_idx(folder.path() / "x").equal(at::tensor({1, 2, 3, 4, 5, 6}, at::kByte).view({2, 3})));
}

TEST(Idx, SizesWhoseStridesDoNotFitAreRefusedBesideASizeOfNothing) {
  const TemporaryFolder folder;
  const std::string huge = "\xff\xff\xff\xff";
  write_text(folder.path() / "x", std::string("\0\0\x08\3\0\0\0\0", 8) + huge + huge);
  EXPECT_EQ(error_of([&] { read_idx(folder.path() / "x"); }),
            (folder.path() / "x").string() + ": need at most 4 GiB, got a header that asks for more");
}

}  // namespace
}  // namespace ufo::data
