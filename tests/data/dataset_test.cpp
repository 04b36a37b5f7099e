#include <functional>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/data/report.h>

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
            "dataset.split: need one of maml, vinyals, lake, got \"random\"");
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
