#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/data/data_record.h>

namespace ufo::data {
namespace {

DataRecord sample() {
  return {
      .classes = {{{{"ant", 20, 1}, {"bee", 20, 2}, {"cat", 20, 3}}, {{"dog", 20, 4}}, {{"elk", 20, 5}}}}};
}

TEST(DataRecord, HoldsEachImageClassOnceUnderAPrintableName) {
  Dataset dataset;
  dataset.images = {.images = at::zeros({5, 1, 1, 1}, at::kByte),
                    .class_offsets = {0, 2, 5},
                    .class_names = {"caf\xe9", "ant"}};
  dataset.class_checksums = {7, 8};
  dataset.classes[0] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  const DataRecord expected{.classes = {{{{"ant", 3, 8}, {"caf\\xe9", 2, 7}}, {}, {}}}};
  EXPECT_EQ(record_of(dataset), expected);
}

TEST(DataRecord, IsLikeItself) {
  const DataChange change = compare(sample(), sample());
  EXPECT_EQ(change.text, "");
  EXPECT_FALSE(change.leaks);
}

TEST(DataRecord, AClassInAnotherSplitLeaks) {
  DataRecord now = sample();
  std::swap(now.classes[0][2], now.classes[2][0]);
  const DataChange change = compare(sample(), now);
  EXPECT_EQ(change.text, "1 class moved from test to train (elk); 1 class moved from train to test (cat)");
  EXPECT_TRUE(change.leaks);
}

TEST(DataRecord, ClassesThatComeAndGoDoNotLeak) {
  DataRecord now = sample();
  now.classes[0].erase(now.classes[0].begin());
  for (const char* name : {"fox", "gnu", "hen", "ibis", "jay", "kiwi"}) {
    now.classes[2].push_back({name, 20, 9});
  }
  const DataChange change = compare(sample(), now);
  EXPECT_EQ(change.text,
            "1 class gone from train (ant); 6 classes new in test (fox, gnu, hen, ibis, jay, ...)");
  EXPECT_FALSE(change.leaks);
}

TEST(DataRecord, OtherImagesAreSaid) {
  DataRecord now = sample();
  now.classes[0][1].images = 21;
  now.classes[1][0].checksum = 99;
  const DataChange change = compare(sample(), now);
  EXPECT_EQ(change.text,
            "1 class with another number of images (bee: 20, now 21); 1 class with other images (dog)");
  EXPECT_FALSE(change.leaks);
}

}  // namespace
}  // namespace ufo::data
