#include <functional>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/data/verification.h>

namespace ufo::data {
namespace {

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Dataset, RefusesUnknownNamesAndSplits) {
  DatasetOptions options;
  options.name = "mnist";
  EXPECT_THAT(error_of([&] { load_dataset(options); }),
              testing::StartsWith("dataset.name: need one of omniglot"));
  EXPECT_THAT(error_of([&] { verify_dataset(options); }),
              testing::StartsWith("dataset.name: need one of omniglot"));
  options = {};
  options.split = "random";
  EXPECT_EQ(error_of([&] { load_dataset(options); }),
            "dataset.split of omniglot: need one of maml, reptile, vinyals, lake, got \"random\"");
}

TEST(Dataset, RefusesTheOptionsOfAnother) {
  const auto refusal = [](const std::string& name, const std::function<void(DatasetOptions&)>& change) {
    DatasetOptions options = dataset_defaults(name);
    change(options);
    return error_of([&] { check_dataset_options(options); });
  };
  EXPECT_EQ(refusal("mini_imagenet", [](auto& options) { options.split = "vinyals"; }),
            "dataset.split of mini_imagenet: need one of ravi, got \"vinyals\"");
  EXPECT_EQ(refusal("mini_imagenet", [](auto& options) { options.rotations = true; }),
            "dataset.rotations of mini_imagenet: need false, got true");
  EXPECT_EQ(refusal("mini_imagenet", [](auto& options) { options.channels = 1; }),
            "dataset.channels of mini_imagenet: need one of 3, got 1");
  EXPECT_EQ(refusal("omniglot", [](auto& options) { options.channels = 3; }),
            "dataset.channels of omniglot: need one of 1, got 3");
  EXPECT_EQ(refusal("omniglot", [](auto& options) { options.test_fraction = 0.5; }),
            "dataset.test_fraction of omniglot: need one of 0, got 0.5");
}

TEST(Dataset, RefusesARootWithAZeroByte) {
  DatasetOptions options;
  options.root = std::string("data\0/omniglot", 14);
  EXPECT_EQ(error_of([&] { check_dataset_options(options); }),
            "dataset.root: need a path, got one with a zero byte, \"data\\x00/omniglot\"");
}

TEST(Dataset, DefaultsAreAccepted) {
  for (const char* name : {"omniglot", "mini_imagenet", "image_folder"}) {
    EXPECT_EQ(dataset_defaults(name).name, name);
    EXPECT_EQ(error_of([&] { check_dataset_options(dataset_defaults(name)); }), "");
  }
}

TEST(Dataset, ParsesTheNamesOfSplits) {
  EXPECT_EQ(parse_split("train"), Split::train);
  EXPECT_EQ(parse_split("validation"), Split::validation);
  EXPECT_EQ(parse_split("test"), Split::test);
  EXPECT_EQ(error_of([] { parse_split("val"); }), "split: need one of train, validation, test, got \"val\"");
}

TEST(Dataset, SummarizesWhatItHolds) {
  Dataset dataset;
  dataset.images = {
      .images = at::zeros({7, 4, 5, 3}, at::kByte), .class_offsets = {0, 2, 7}, .class_names = {"a", "b"}};
  dataset.classes[0] = {{0, 0}, {0, 1}};
  dataset.classes[2] = {{1, 0}};
  dataset.cache = "/somewhere";
  const DatasetSummary summary = summarize(dataset);
  EXPECT_EQ(summary.images, 7);
  EXPECT_EQ(summary.image_classes, 2);
  EXPECT_EQ(summary.classes, (std::array<int64_t, 3>{2, 0, 1}));
  EXPECT_EQ(summary.height, 4);
  EXPECT_EQ(summary.width, 5);
  EXPECT_EQ(summary.channels, 3);
  EXPECT_EQ(summary.smallest_class, 2);
  EXPECT_EQ(summary.largest_class, 5);
  EXPECT_EQ(summary.bytes, 7 * 4 * 5 * 3);
  EXPECT_EQ(summary.cache, "/somewhere");
}

}  // namespace
}  // namespace ufo::data
