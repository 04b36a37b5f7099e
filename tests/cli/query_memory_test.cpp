#include "cli/query_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>

namespace ufo::cli {
namespace {

run::RunOptions with_images_of(int64_t size) {
  run::RunOptions options;
  options.dataset.image_size = size;
  options.model.downsampling = "max_pool";
  return options;
}

TEST(QueryMemory, TakesFewerImagesAtOnceTheLargerTheyAre) {
  EXPECT_EQ(images_at_once(with_images_of(28)), 256);
  EXPECT_EQ(images_at_once(with_images_of(84)), 99);
  EXPECT_EQ(images_at_once(with_images_of(4096)), 1);
}

TEST(QueryMemory, RefusesMoreImagesTogetherThanThereIsMemoryFor) {
  EXPECT_NO_THROW(check_memory_of_together(with_images_of(28), 1));
  try {
    check_memory_of_together(with_images_of(84), 1'000'000'000);
    FAIL() << "need a refusal";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("of memory for 1000000000 images of 84x84"));
  }
}

}  // namespace
}  // namespace ufo::cli
