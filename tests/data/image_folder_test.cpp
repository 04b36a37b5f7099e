#include "data/image_folder.h"

#include "small_images.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <set>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// Five classes of 2 to 6 images in all formats.
class ImageFolder : public testing::Test {
 protected:
  ImageFolder() {
    const char* const endings[] = {".png", ".jpg", ".JPEG", ".bmp", ".webp", ".png"};
    int seed = 0;
    for (int c = 0; c < 5; ++c) {
      for (int i = 0; i < c + 2; ++i) {
        write_image(root_ / names_[static_cast<size_t>(c)] / (std::to_string(i) + endings[i]), ++seed);
      }
    }
  }

  DatasetOptions options() const {
    DatasetOptions options = dataset_defaults("image_folder");
    options.root = root_.string();
    options.image_size = 12;
    return options;
  }

  Dataset load() const { return load_dataset(options()); }

  /// Loading and verifying must agree, in one line.
  std::string error(const DatasetOptions& options) const {
    const std::string loading = error_of([&] { load_dataset(options); });
    EXPECT_EQ(error_of([&] { verify_dataset(options); }), loading);
    EXPECT_THAT(loading, testing::Not(HasSubstr("\n")));
    return loading;
  }
  std::string error() const { return error(options()); }

  std::vector<std::string> names_in(const Dataset& dataset, Split split) const {
    std::vector<std::string> names;
    for (const EpisodeClass& c : dataset.of(split)) {
      names.push_back(dataset.images.class_names[static_cast<size_t>(c.image_class)]);
    }
    return names;
  }

  PrivateCache cache_;
  TemporaryFolder folder_;
  const fs::path root_ = fs::weakly_canonical(folder_.path()) / "pictures";
  const std::vector<std::string> names_ = {"ant", "bee", "cat", "dog", "elk"};
};

TEST_F(ImageFolder, TakesClassesOfDifferentSizesAndAllFormats) {
  const Dataset dataset = load();
  EXPECT_EQ(dataset.images.class_names, names_);
  EXPECT_THAT(dataset.images.class_offsets, ElementsAre(0, 2, 5, 9, 14, 20));
  EXPECT_EQ(dataset.images.images.sizes(), (at::IntArrayRef{20, 12, 12, 3}));
}

TEST_F(ImageFolder, ImagesMayBeGrey) {
  DatasetOptions grey = options();
  grey.channels = 1;
  const Dataset dataset = load_dataset(grey);
  EXPECT_EQ(dataset.images.images.sizes(), (at::IntArrayRef{20, 12, 12, 1}));
  EXPECT_EQ(dataset.mean.size(), 1u);
  const at::Tensor colour = load().images.images[0].to(at::kFloat);  // a PNG
  const at::Tensor expected = (colour * at::tensor({0.299, 0.587, 0.114}, at::kFloat)).sum(2, true);
  EXPECT_LE((dataset.images.images[0].to(at::kFloat) - expected).abs().max().item<float>(), 1);
}

TEST_F(ImageFolder, SplitIsThatOfTheListWhereThereIsOne) {
  write_text(root_ / kSplitsFile, R"({"train": ["elk", "ant"], "validation": ["dog"], "test": ["bee"]})");
  for (int i = 0; i < 2; ++i) {  // decoded and from the cache
    const Dataset dataset = load();
    EXPECT_THAT(names_in(dataset, Split::train), ElementsAre("ant", "elk"));
    EXPECT_THAT(names_in(dataset, Split::validation), ElementsAre("dog"));
    EXPECT_THAT(names_in(dataset, Split::test), ElementsAre("bee"));
  }
  EXPECT_EQ(verify_dataset(options()).classes, (std::array<int64_t, 3>{2, 1, 1}));
  write_text(root_ / kSplitsFile, R"({"train": ["ant"], "validation": [], "test": ["bee"]})");
  write_text(root_ / "manifest.sha256", "as data_scripts leave it");
  EXPECT_THAT(names_in(load(), Split::train), ElementsAre("ant"));
  EXPECT_THAT(load().remarks, ElementsAre("3 classes are in no split and left out: cat, dog, elk"));
}

TEST_F(ImageFolder, SplitIsShuffledBySeedElse) {
  DatasetOptions shuffled = options();
  shuffled.validation_fraction = 0.2;
  shuffled.test_fraction = 0.4;
  std::set<std::vector<std::string>> tests;
  for (shuffled.split_seed = 1; shuffled.split_seed <= 8; ++shuffled.split_seed) {
    const Dataset dataset = load_dataset(shuffled);
    std::vector<std::string> all;
    for (Split split : {Split::train, Split::validation, Split::test}) {
      const auto names = names_in(dataset, split);
      EXPECT_EQ(names.size(), split == Split::validation ? 1u : 2u);
      all.insert(all.end(), names.begin(), names.end());
    }
    EXPECT_THAT(all, testing::UnorderedElementsAreArray(names_));
    EXPECT_EQ(load_dataset(shuffled).classes, dataset.classes);
    tests.insert(names_in(dataset, Split::test));
  }
  EXPECT_GT(tests.size(), 3u);
}

TEST_F(ImageFolder, SplitMayBeAskedFor) {
  DatasetOptions asked = options();
  asked.split = "listed";
  EXPECT_EQ(error(asked),
            "image_folder: need splits.json for the split listed, found none in " + root_.string());
  write_text(root_ / kSplitsFile, R"({"train": ["ant"], "validation": [], "test": []})");
  EXPECT_EQ(load_dataset(asked).of(Split::train).size(), 1u);
  asked.split = "shuffled";
  EXPECT_EQ(load_dataset(asked).of(Split::train).size(), 3u);
}

TEST_F(ImageFolder, SplitIsThatOfTheFoldersThatClassesLieIn) {
  const fs::path root = folder_.path() / "usual";
  const std::vector<std::pair<std::string, std::string>> places = {
      {"dog", "train"}, {"ant", "train"}, {"elk", "val"}, {"bee", "test"}, {"cat", "test"}};
  for (const auto& [name, split] : places) {
    fs::create_directories(root / split);
    fs::copy(root_ / name, root / split / name);
  }
  fs::create_directories(root / "valid");
  fs::copy(root_ / "elk", root / "valid" / "emu");
  fs::path archive = folder_.path() / "usual.zip";
  pack_folder(archive, root);
  for (const fs::path& place : {root, archive}) {
    DatasetOptions usual = options();
    usual.root = place.string();
    for (int i = 0; i < 2; ++i) {  // decoded and from the cache
      const Dataset dataset = load_dataset(usual);
      EXPECT_THAT(names_in(dataset, Split::train), ElementsAre("ant", "dog"));
      EXPECT_THAT(names_in(dataset, Split::validation), ElementsAre("elk", "emu"));
      EXPECT_THAT(names_in(dataset, Split::test), ElementsAre("bee", "cat"));
      EXPECT_EQ(dataset.images.class_size(1), 3);  // bee
    }
    usual.split = "listed";
    EXPECT_EQ(verify_dataset(usual).classes, (std::array<int64_t, 3>{2, 2, 2}));
    usual.split = "shuffled";
    EXPECT_EQ(load_dataset(usual).of(Split::train).size(), 4u);
  }
}

TEST_F(ImageFolder, AClassInTheFoldersOfTwoSplitsIsRefused) {
  DatasetOptions usual = options();
  const fs::path root = fs::weakly_canonical(folder_.path()) / "usual";
  for (const char* split : {"train", "test"}) {
    fs::create_directories(root / split);
    fs::copy(root_ / "ant", root / split / "ant");
  }
  usual.root = root.string();
  EXPECT_EQ(
      error(usual),
      "image_folder: need each class in one split, for what is tested must be new, got ant in test and in "
      "train in " +
          root.string());
}

TEST_F(ImageFolder, RotationsGiveEachClassFour) {
  DatasetOptions turned = options();
  turned.rotations = true;
  const Dataset dataset = load_dataset(turned);
  EXPECT_EQ(dataset.of(Split::test).size(), 4 * load().of(Split::test).size());
  EXPECT_EQ(dataset.of(Split::test)[3].quarter_turns, 3);
}

TEST_F(ImageFolder, IsNormalisedByItsMetaTrainSplit) {
  write_text(root_ / kSplitsFile, R"({"train": ["bee"], "validation": [], "test": ["cat"]})");
  const Dataset dataset = load();
  const at::Tensor train = dataset.images.images.narrow(0, 2, 3).to(at::kDouble) / 255;
  EXPECT_NEAR(dataset.mean.at(1), train.select(3, 1).mean().item<double>(), 1e-6);
  EXPECT_NEAR(dataset.deviation.at(1), train.select(3, 1).std(false).item<double>(), 1e-6);
}

TEST_F(ImageFolder, ArchivesGiveTheSame) {
  const at::Tensor expected = load().images.images.clone();
  for (const fs::path& packed : {root_, root_.parent_path()}) {  // with and without a folder of their own
    const fs::path archive = folder_.path() / "packed.zip";
    pack_folder(archive, packed);
    DatasetOptions options = this->options();
    options.root = archive.string();
    EXPECT_TRUE(load_dataset(options).images.images.equal(expected));
    fs::remove(archive);
  }
}

TEST_F(ImageFolder, NamesWhatIsWrongWithTheList) {
  const std::string place = " in " + root_.string();
  const std::string need =
      "image_folder: splits.json: need the keys train, validation and test, each a list of class names, got ";
  const auto error_with = [&](const std::string& text) {
    write_text(root_ / kSplitsFile, text);
    return error();
  };
  EXPECT_THAT(error_with("{"), StartsWith(need + "bad JSON" + place));
  EXPECT_THAT(error_with(""), StartsWith(need + "bad JSON" + place));
  EXPECT_EQ(error_with(R"({"train": ["ant"], "validation": [], "test": [], "train": ["bee"]})"),
            need + "bad JSON" + place + " (train stands twice)");
  EXPECT_EQ(error_with("[]"), need + "array" + place);
  EXPECT_EQ(error_with(R"({"train": [], "test": []})"), need + "no validation" + place);
  EXPECT_EQ(error_with(R"({"train": [], "validation": [], "test": [], "val": []})"),
            need + "the key val" + place);
  EXPECT_EQ(error_with(R"({"train": ["ant"], "validation": [3], "test": []})"),
            need + "another value of validation" + place);
  EXPECT_EQ(error_with(R"({"train": ["ant", "fox"], "validation": [], "test": []})"),
            "image_folder: splits.json: need a folder of images for each class, found none for fox" + place);
  EXPECT_EQ(error_with(R"({"train": ["ant"], "validation": [], "test": ["ant"]})"),
            "image_folder: splits.json: need each class once, got ant in train and in test" + place);
  EXPECT_EQ(error_with(R"({"train": [], "validation": [], "test": ["ant"]})"),
            "image_folder: need at least one class in split train, got none of 5" + place);
}

TEST_F(ImageFolder, NamesImagesOutsideOfClasses) {
  write_image(root_ / "loose.png", 90);
  EXPECT_EQ(error(), "image_folder: need images as <class>/<file>, got loose.png in " + root_.string());
  fs::remove(root_ / "loose.png");
  write_image(root_ / "ant/deep/x.png", 90);
  EXPECT_EQ(error(), "image_folder: need images as <class>/<file>, got ant/deep/x.png in " + root_.string());
}

TEST_F(ImageFolder, NamesTheFolderWithoutImages) {
  const fs::path empty = folder_.path() / "empty";
  fs::create_directories(empty / "ant");
  write_text(empty / "ant/notes.txt", "x");
  DatasetOptions options = this->options();
  options.root = empty.string();
  EXPECT_THAT(error(options), StartsWith("image_folder: need images as <class>/<file> of PNG, JPEG"));
  EXPECT_THAT(error(options), testing::EndsWith("; passed over 1 file: 1 .txt (as ant/notes.txt)"));
}

TEST_F(ImageFolder, IgnoresWhatFileManagersLeaveBehind) {
  write_text(root_ / ".DS_Store", "x");
  write_text(root_ / "ant/._0.png", "x");
  write_text(root_ / "ant/Thumbs.db", "x");
  fs::create_directories(root_ / ".thumbnails");
  write_text(root_ / ".thumbnails/0.png", "x");
  EXPECT_EQ(load().images.images.size(0), 20);
}

TEST_F(ImageFolder, CountsAndNamesWhatItPassesOver) {
  EXPECT_THAT(load().remarks, ElementsAre());
  write_text(root_ / ".DS_Store", "x");
  write_text(root_ / "ant/a.heic", "x");
  write_text(root_ / "ant/b.heic", "x");
  write_text(root_ / "ant/c.sv\x1bg", "x");
  fs::create_symlink("nowhere", root_ / "ant/link.png");
  const std::string expected =
      "passed over 5 files: 2 .heic (as ant/a.heic), 1 .sv\\x1bg (as ant/c.sv\\x1bg), "
      "1 hidden (as .DS_Store), 1 links to nothing or devices (as pictures/ant/link.png)";
  EXPECT_THAT(load().remarks, ElementsAre(expected));
  EXPECT_THAT(load().remarks, ElementsAre(expected));  // from the cache
  EXPECT_THAT(verify_dataset(options()).remarks, ElementsAre(expected));
}

TEST_F(ImageFolder, MayHaveANameThatBeginsWithADot) {
  const at::Tensor expected = load().images.images.clone();
  const fs::path hidden = root_.parent_path() / ".pets";
  fs::rename(root_, hidden);
  write_text(hidden / ".DS_Store", "x");
  DatasetOptions options = this->options();
  options.root = hidden.string();
  EXPECT_TRUE(load_dataset(options).images.images.equal(expected));
  const fs::path archive = folder_.path() / "packed.zip";
  pack_folder(archive, root_.parent_path());  // with the folder's own name
  options.root = archive.string();
  EXPECT_TRUE(load_dataset(options).images.images.equal(expected));
}

TEST_F(ImageFolder, SaysInOneLineThatImagesAreOfAnotherSize) {
  DatasetOptions larger = options();
  larger.image_size = 84;
  const std::string expected =
      "20 images have 12x12 pixels and are enlarged to 84x84: set dataset.image_size=12";
  EXPECT_THAT(load_dataset(larger).remarks, ElementsAre(expected));
  EXPECT_THAT(load_dataset(larger).remarks, ElementsAre(expected));  // from the cache
  EXPECT_THAT(verify_dataset(larger).remarks, ElementsAre(expected));
  write_image(root_ / "ant/large.png", 70, 900, 800);
  EXPECT_THAT(
      load_dataset(larger).remarks,
      ElementsAre("20 of 21 images have 12x12 pixels and are enlarged to 84x84: set "
                  "dataset.image_size=12; 1 of 21 images have 800x900 pixels and are shrunk to 84x84"));
}

TEST_F(ImageFolder, KnowsTheFilesOfEachClassByAChecksum) {
  const std::vector<uint32_t> before = load().class_checksums;
  ASSERT_EQ(before.size(), 5u);
  EXPECT_EQ(load().class_checksums, before);  // from the cache
  write_image(root_ / "cat/0.png", 99);
  const std::vector<uint32_t> after = load().class_checksums;
  for (size_t c = 0; c < before.size(); ++c) {
    EXPECT_EQ(after[c] == before[c], c != 2) << c;
  }
}

TEST_F(ImageFolder, VerifyingListsBrokenAndDuplicateImages) {
  EXPECT_THAT(verify_dataset(options()).broken, ElementsAre());
  EXPECT_THAT(verify_dataset(options()).oddities, ElementsAre());
  const std::string jpeg = read_text(root_ / "cat/1.jpg");
  write_text(root_ / "cat/1.jpg", jpeg.substr(0, jpeg.size() / 2));
  write_text(root_ / "dog/0.png", "no image");
  fs::copy_file(root_ / "elk/0.png", root_ / "ant/9.png");
  fs::copy_file(root_ / "bee/0.png", root_ / "bee/9.png");
  write_image(root_ / "elk/9.png", 60, 12, 5);
  const Verification found = verify_dataset(options());
  EXPECT_THAT(
      found.broken,
      ElementsAre("need an image, cannot decode pictures/cat/1.jpg: it ends before its image does",
                  "need an image, cannot decode pictures/dog/0.png: its content is of no known format"));
  EXPECT_THAT(
      found.oddities,
      ElementsAre("duplicate: pictures/bee/9.png has the pixels of pictures/bee/0.png",
                  "duplicate: pictures/elk/0.png has the pixels of pictures/ant/9.png, of another class"));
  EXPECT_THAT(found.remarks, ElementsAre("1 of 23 images have 5x12 pixels and are enlarged to 12x12"));
}

}  // namespace
}  // namespace ufo::data
