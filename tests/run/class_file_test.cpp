#include "support/temporary_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/run/class_file.h>

namespace ufo::run {
namespace {

using testing::HasSubstr;

/// Three classes of two images, one in each split.
data::Dataset dataset() {
  data::Dataset dataset;
  dataset.images = {.images = at::zeros({6, 1, 1, 1}, at::kByte),
                    .class_offsets = {0, 2, 4, 6},
                    .class_names = {"ant", "bee", "cat"}};
  dataset.class_checksums = {1, 2, 4000000000};
  dataset.classes = {{{{0, 0}}, {{1, 0}}, {{2, 0}}}};
  return dataset;
}

class ClassFile : public testing::Test {
 protected:
  /// What checking `now` against the classes of dataset() says, or throws.
  std::string check(const data::Dataset& now, ChangedData changed) {
    const auto run = RunDirectory::prepare(folder_ / "run", "{}", IfThereIsARun::resume);
    folder_.write("run/classes.json", to_json(data::record_of(dataset())));
    try {
      return check_classes(run, now, changed);
    } catch (const DataError& error) {
      return std::string("refused: ") + error.what();
    }
  }

  TemporaryFolder folder_;
};

TEST_F(ClassFile, IsReadAsItWasWritten) {
  const data::DataRecord record = data::record_of(dataset());
  EXPECT_EQ(parse_data_record(to_json(record), "x"), record);
}

TEST_F(ClassFile, OfEqualDataSaysNothing) { EXPECT_EQ(check(dataset(), ChangedData::refuse), ""); }

TEST_F(ClassFile, ThatIsNotThereSaysNothing) {
  const auto run = RunDirectory::prepare(folder_ / "run", "{}", IfThereIsARun::resume);
  EXPECT_EQ(check_classes(run, dataset(), ChangedData::refuse), "");
}

TEST_F(ClassFile, OtherImagesAreRefusedUnlessAccepted) {
  data::Dataset now = dataset();
  now.class_checksums[1] = 9;
  EXPECT_THAT(check(now, ChangedData::refuse),
              testing::AllOf(HasSubstr("refused: "), HasSubstr("1 class with other images (bee)"),
                             HasSubstr("--changed-data goes on")));
  EXPECT_EQ(check(now, ChangedData::accept_if_apart), "1 class with other images (bee)");
}

TEST_F(ClassFile, AClassInAnotherSplitIsNeverAccepted) {
  data::Dataset now = dataset();
  std::swap(now.classes[0], now.classes[2]);
  EXPECT_THAT(check(now, ChangedData::accept_if_apart),
              testing::AllOf(HasSubstr("refused: "), HasSubstr("1 class moved from train to test (ant)")));
}

TEST_F(ClassFile, IsRefusedWhereItIsDamaged) {
  for (const char* text :
       {"", "[]", "{}", R"({"train": {"ant": 3}, "validation": {}, "test": {}})",
        R"({"train": {"ant": {"images": -1, "crc32": 1}}, "validation": {}, "test": {}})"}) {
    EXPECT_THROW(parse_data_record(text, "x"), DataError) << text;
  }
}

}  // namespace
}  // namespace ufo::run
