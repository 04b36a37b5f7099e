#include "cli/query_memory.h"

#include "cli/allocation_meter.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>

namespace ufo::cli {
namespace {

std::unique_ptr<nn::Network> for_images_of(int64_t size, const std::string& name = "conv4") {
  return nn::make_network({.name = name, .downsampling = nn::Downsampling::max_pool},
                          {.channels = 3, .height = size, .width = size});
}

TEST(QueryMemory, TakesFewerImagesAtOnceTheLargerTheyAre) {
  EXPECT_EQ(images_at_once(*for_images_of(28)), 256);
  EXPECT_EQ(images_at_once(*for_images_of(84)), 99);
  EXPECT_EQ(images_at_once(*for_images_of(1024)), 1);
}

TEST(QueryMemory, IsThatOfTheNetwork) {
  EXPECT_LT(images_at_once(*for_images_of(84, "resnet12")), images_at_once(*for_images_of(84)));
  EXPECT_EQ(images_at_once(*for_images_of(84, "mlp")), 256);
}

TEST(QueryMemory, IsAboutWhatClassifyingHolds) {
  constexpr int64_t kImages = 20, kSize = 84;
  const c10::NoGradGuard no_grad;
  const at::Tensor images = at::rand({1, kImages, 3, kSize, kSize});
  for (const char* name : {"conv4", "resnet12"}) {
    for (const auto mode : {nn::BatchNorm::batch, nn::BatchNorm::support}) {
      const auto network =
          nn::make_network({.name = name, .filters = 16, .batch_norm = mode, .widths = {16, 32}},
                           {.channels = 3, .height = kSize, .width = kSize});
      const at::Tensor phi = network->initial_parameters(1).unsqueeze(0);
      start_allocation_meter(at::kCPU);
      const int64_t before = peak_tensor_bytes(at::kCPU);
      network->query_logits(phi, images, images.narrow(1, 0, 5));
      const auto held = static_cast<double>(peak_tensor_bytes(at::kCPU) - before);
      const auto said =
          static_cast<double>(sizeof(float)) * static_cast<double>(kImages * network->activations());
      EXPECT_LT(held, said) << name << ", " << word_of(mode);
      EXPECT_GT(held, said / 2) << name << ", " << word_of(mode);
    }
  }
}

TEST(QueryMemory, RefusesMoreImagesTogetherThanThereIsMemoryFor) {
  EXPECT_NO_THROW(check_memory_of_together(*for_images_of(28), 28, 1));
  try {
    check_memory_of_together(*for_images_of(84), 84, 1'000'000'000);
    FAIL() << "need a refusal";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("of memory for 1000000000 images of 84x84"));
  }
}

}  // namespace
}  // namespace ufo::cli
