#include "data/omniglot.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// What loading and verifying say of damaged data.
class Damage : public testing::Test {
 protected:
  std::string load_error(const std::string& split = "maml") const {
    return error_of([&] { load_omniglot(small_.options(split), SmallOmniglot::counts()); });
  }

  /// Loading and verifying must agree.
  std::string error() const {
    const std::string loading = load_error();
    EXPECT_EQ(error_of([&] { verify_omniglot(small_.options(), SmallOmniglot::counts()); }), loading);
    EXPECT_THAT(loading, Not(HasSubstr("\n")));
    return loading;
  }

  static std::string error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }

  PrivateCache cache_;
  TemporaryFolder folder_;
  SmallOmniglot small_{folder_.path()};
};

TEST_F(Damage, NoneIsReportedWhereThereIsNone) {
  EXPECT_EQ(error(), "");
  small_.pack();
  EXPECT_EQ(error(), "");
}

TEST_F(Damage, NamesTheCharacterThatLacksADrawing) {
  fs::remove(small_.file("images_background/Greek/character02/0002_03.png"));
  const std::string expected =
      "omniglot: need 4 images per character, got 3 in images_background/Greek/character02";
  EXPECT_EQ(error(), expected);
  small_.pack();
  EXPECT_EQ(error(), expected);
}

TEST_F(Damage, NamesTheArchiveThatLacksACharacter) {
  fs::remove_all(small_.file("images_evaluation/Tibetan"));
  EXPECT_EQ(error(), "omniglot: need 2 characters, got 1 in images_evaluation");
}

TEST_F(Damage, NamesTheMissingArchive) {
  fs::remove_all(small_.file("images_evaluation"));
  EXPECT_EQ(error(),
            "omniglot: need images_evaluation.zip or the folder images_evaluation, found neither in " +
                folder_.path().string());
}

TEST_F(Damage, NamesTheTruncatedArchive) {
  small_.pack();
  const fs::path archive = folder_.path() / "images_background.zip";
  const uintmax_t size = fs::file_size(archive);
  for (uintmax_t kept : {size - 1, size / 2, uintmax_t{10}, uintmax_t{0}}) {
    fs::resize_file(archive, kept);
    EXPECT_THAT(error(), StartsWith(archive.string() + ": need a whole zip or tar archive, got: ")) << kept;
  }
}

TEST_F(Damage, NamesTheEntryWithAWrongChecksum) {
  small_.pack();
  const fs::path archive = folder_.path() / "images_background.zip";
  std::string bytes = read_text(archive);
  const size_t drawing = bytes.find("\x89PNG");
  if (drawing == std::string::npos) {
    bytes[bytes.size() / 3] ^= 0x10;  // compressed: somewhere within the first drawings
  } else {
    bytes[drawing + 40] ^= 0x10;
  }
  write_text(archive, bytes);
  EXPECT_THAT(error(), AllOf(StartsWith(archive.string() + ": need a whole zip or tar archive, got: "),
                             HasSubstr(" in images_background/")));
}

TEST_F(Damage, NamesTheBrokenDrawing) {
  const std::string drawing = "images_background/Hebrew/character01/0003_02.png";
  const std::string bytes = read_text(small_.file(drawing));
  std::string flipped = bytes;
  flipped[bytes.size() / 2] ^= 1;
  for (const std::string& broken :
       {std::string("no image"), std::string(), bytes.substr(0, bytes.size() / 2), flipped}) {
    write_text(small_.file(drawing), broken);
    testing::internal::CaptureStderr();
    EXPECT_THAT(error(), StartsWith(small_.file("images_background").string() +
                                    ": need an image, cannot decode " + drawing + ": it"));
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  }
}

TEST_F(Damage, IgnoresWhatFileManagersLeaveBehind) {
  write_text(small_.file("images_background/.DS_Store"), "x");
  write_text(small_.file("images_background/Greek/character01/._0001_01.png"), "x");
  write_text(small_.file("images_background/Greek/character01/Thumbs.db"), "x");
  EXPECT_EQ(error(), "");
  EXPECT_THAT(
      load_omniglot(small_.options(), SmallOmniglot::counts()).remarks,
      testing::ElementsAre("passed over 3 files: 2 hidden (as images_background/.DS_Store), 1 .db (as "
                           "images_background/Greek/character01/Thumbs.db)"));
}

TEST_F(Damage, NamesTheMissingOrWrongListOfASplit) {
  const fs::path list = folder_.path() / "vinyals_split.json";
  EXPECT_EQ(load_error("vinyals"), "omniglot: need the list of the split vinyals, found no " + list.string());

  write_text(list, "{");
  EXPECT_THAT(load_error("vinyals"), StartsWith(list.string() + ": need a JSON list of characters, got: "));
  write_text(list, R"({"train": {}, "train": {}})");
  EXPECT_EQ(load_error("vinyals"),
            list.string() + ": need a JSON list of characters, got: train stands twice");
  write_text(list, R"({"train": {"background": {"Greek": [3]}}, "val": {}, "test": {}})");
  EXPECT_EQ(load_error("vinyals"), list.string() +
                                       ": need a JSON list of characters, got: no lists of names by "
                                       "half and alphabet in train");
  write_text(list, R"({"train": {}, "val": {}})");
  EXPECT_THAT(load_error("vinyals"), StartsWith(list.string() + ": need a JSON list of characters, got: "));

  const std::string train = R"({"train": {"background": {"Greek": ["character01", "character02"]}}, )";
  const std::string val = R"("val": {"background": {"Hebrew": ["character01"]}}, )";
  write_text(list, train + val + R"("test": {"evaluation": {"Angelic": ["character01"]}}})");
  EXPECT_EQ(load_error("vinyals"), "omniglot: need 2 characters, got 1 in split test of vinyals");
  write_text(list, train + val + R"("test": {"evaluation": {"Angelic": ["character07"]}}})");
  EXPECT_EQ(load_error("vinyals"), "omniglot: need the character Angelic/character07 that " + list.string() +
                                       " names, found none in the images");
  write_text(
      list, train + val + R"("test": {"a": {"Angelic": ["character01"]}, "b": {"Greek": ["character01"]}}})");
  EXPECT_EQ(load_error("vinyals"),
            "omniglot: need each character once, got Greek/character01 again in split test of vinyals");
  write_text(list,
             train + val + R"("test": {"a": {"Angelic": ["character01"], "Tibetan": ["character01"]}}})");
  EXPECT_EQ(load_error("vinyals"), "");
}

}  // namespace
}  // namespace ufo::data
