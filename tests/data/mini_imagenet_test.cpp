#include "data/mini_imagenet.h"

#include "small_images.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class MiniImagenet : public testing::Test {
 protected:
  Dataset load() const { return load_mini_imagenet(small_.options(), SmallMiniImagenet::counts()); }

  /// Loading and verifying must agree, in one line.
  std::string error() const {
    const std::string loading = error_of([&] { load(); });
    EXPECT_EQ(error_of([&] { verify_mini_imagenet(small_.options(), SmallMiniImagenet::counts()); }),
              loading);
    EXPECT_THAT(loading, Not(HasSubstr("\n")));
    return loading;
  }

  std::string root() const { return fs::weakly_canonical(folder_.path() / "mini").string(); }

  PrivateCache cache_;
  TemporaryFolder folder_;
  SmallMiniImagenet small_{folder_.path() / "mini"};
};

/// The pixels of an image file as [H, W, 3], red first.
at::Tensor pixels_of(const fs::path& file) {
  const cv::Mat image = cv::imread(file.string());
  return at::from_blob(image.data, {image.rows, image.cols, 3}, at::kByte).clone().flip({2});
}

TEST_F(MiniImagenet, HoldsTheClassesOfEachListInTurn) {
  const Dataset dataset = load();
  EXPECT_THAT(dataset.images.class_names, ElementsAre("n01", "n02", "n00", "n03"));
  EXPECT_THAT(dataset.images.class_offsets, ElementsAre(0, 3, 6, 9, 12));
  EXPECT_THAT(dataset.of(Split::train), ElementsAre(EpisodeClass{0, 0}, EpisodeClass{1, 0}));
  EXPECT_THAT(dataset.of(Split::validation), ElementsAre(EpisodeClass{2, 0}));
  EXPECT_THAT(dataset.of(Split::test), ElementsAre(EpisodeClass{3, 0}));
  const char* const names[] = {"n0101", "n0102", "n0103", "n0201", "n0202", "n0203",
                               "n0001", "n0002", "n0003", "n0301", "n0302", "n0303"};
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(
        dataset.images.images[i].equal(pixels_of(small_.file(std::string("images/") + names[i] + ".png"))))
        << names[i];
  }
}

TEST_F(MiniImagenet, IsNormalisedByItsMetaTrainSplit) {
  const Dataset first = load();
  const at::Tensor train = first.images.images.narrow(0, 0, 6).to(at::kDouble) / 255;
  for (const Dataset& dataset : {first, load()}) {  // decoded and from the cache
    for (int64_t channel = 0; channel < 3; ++channel) {
      const at::Tensor values = train.select(3, channel);
      EXPECT_NEAR(dataset.mean.at(static_cast<size_t>(channel)), values.mean().item<double>(), 1e-6);
      EXPECT_NEAR(dataset.deviation.at(static_cast<size_t>(channel)),
                  values.std(/*unbiased=*/false).item<double>(), 1e-6);
    }
  }
}

TEST_F(MiniImagenet, SaysWhenImagesWereLeftOut) {
  EXPECT_THAT(load().notes,
              ElementsAre("3 of 4 images a class; accuracies are not comparable with published ones"));
  write_image(small_.file("images/x.png"), 50);
  small_.append("test.csv", "x.png,n03\n");
  EXPECT_THAT(load().notes,
              ElementsAre("3 to 4 of 4 images a class; accuracies are not comparable with published ones"));
  const MiniImagenetCounts all{.classes = {2, 1, 1}, .images = 3};
  SmallMiniImagenet whole(folder_.path() / "whole");
  EXPECT_THAT(load_mini_imagenet(whole.options(), all).notes, ElementsAre());
}

TEST_F(MiniImagenet, ReadsArchivesAndFoldersThatHoldOne) {
  const at::Tensor expected = load().images.images.clone();
  const fs::path holder = folder_.path() / "holder";
  fs::create_directories(holder);
  const fs::path archive = holder / "any-name.zip";
  for (const bool with_its_own_folder : {false, true}) {
    pack_folder(archive, with_its_own_folder ? folder_.path() : folder_.path() / "mini");
    for (const fs::path& root : {archive, holder, holder / ""}) {
      DatasetOptions options = small_.options();
      options.root = root.string();
      EXPECT_TRUE(load_mini_imagenet(options, SmallMiniImagenet::counts()).images.images.equal(expected));
    }
    fs::remove(archive);
  }
}

TEST_F(MiniImagenet, AsksWhichOfSeveralArchivesIsMeant) {
  const fs::path holder = folder_.path() / "holder";
  fs::create_directories(holder);
  for (const char* name : {"b.zip", "a.tar"}) {
    write_text(holder / name, "x");
  }
  DatasetOptions options = small_.options();
  options.root = holder.string();
  EXPECT_EQ(error_of([&] { load_dataset(options); }),
            "mini_imagenet: need one archive in " + holder.string() +
                ", found 2, as a.tar and b.zip; name one as dataset.root");
  options.root = (folder_.path() / "none").string();
  EXPECT_THAT(error_of([&] { load_dataset(options); }),
              "mini_imagenet: need a folder or an archive of images, found none at " + options.root +
                  "; data_scripts/get_mini_imagenet.py builds it from your own ImageNet");
}

TEST_F(MiniImagenet, ReadsFoldersOfClasses) {
  const at::Tensor expected = load().images.images.clone();
  for (const auto& entry : fs::directory_iterator(small_.file("images"))) {
    const std::string name = entry.path().filename().string();
    fs::create_directories(small_.file(name.substr(0, 3)));
    fs::rename(entry.path(), small_.file(name.substr(0, 3) + "/" + name));
  }
  EXPECT_TRUE(load().images.images.equal(expected));
}

TEST_F(MiniImagenet, ResizesByArea) {
  const at::Tensor whole = load().images.images.to(at::kFloat);
  DatasetOptions options = small_.options();
  options.image_size = 6;
  const Dataset dataset = load_mini_imagenet(options, SmallMiniImagenet::counts());
  const at::Tensor expected = at::avg_pool2d(whole.permute({0, 3, 1, 2}), 2).permute({0, 2, 3, 1});
  EXPECT_LE((dataset.images.images.to(at::kFloat) - expected).abs().max().item<float>(), 0.5);
}

TEST_F(MiniImagenet, IgnoresImagesThatNoRowNames) {
  write_image(small_.file("images/extra.png"), 77);
  write_text(small_.file("images/notes.txt"), "x");
  EXPECT_EQ(load().images.images.size(0), 12);
  EXPECT_THAT(load().remarks,
              ElementsAre("passed over 2 files: 1 .txt (as mini/images/notes.txt), 1 that no row names (as "
                          "mini/images/extra.png)"));
}

TEST_F(MiniImagenet, NamesTheFirstMissingImagesAndTheirNumber) {
  fs::remove(small_.file("images/n0201.png"));
  EXPECT_EQ(error(),
            "mini_imagenet: need an image for each of the 12 rows of train.csv, val.csv and test.csv, 1 are "
            "missing in " +
                root() + ": n0201.png");
  fs::remove_all(small_.file("images"));
  EXPECT_EQ(error(),
            "mini_imagenet: need an image for each of the 12 rows of train.csv, val.csv and test.csv, 12 are "
            "missing in " +
                root() + ": n0201.png, n0202.png, n0203.png, n0101.png, n0102.png, ...");
}

TEST_F(MiniImagenet, NamesTheMissingListOrItsWrongHeader) {
  write_text(small_.file("val.csv"), "label,filename\nn00,a.png\n");
  EXPECT_EQ(error(),
            "mini_imagenet: val.csv: need the header filename,label, got \"label,filename\" in " + root());
  write_text(small_.file("val.csv"), "");
  EXPECT_EQ(error(),
            "mini_imagenet: val.csv: need the header filename,label, got an empty file in " + root());
  fs::remove(small_.file("val.csv"));
  EXPECT_EQ(error(), "mini_imagenet: need train.csv, val.csv and test.csv, found no val.csv in " + root());
  fs::remove(small_.file("train.csv"));
  EXPECT_EQ(error(), "mini_imagenet: need train.csv, val.csv and test.csv, found no train.csv in " + root());
}

TEST_F(MiniImagenet, TakesListsOfOtherSystems) {
  std::string text = read_text(small_.file("val.csv"));
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '\r');
  }
  write_text(small_.file("val.csv"), "\xef\xbb\xbf" + text);
  EXPECT_EQ(error(), "");
}

TEST_F(MiniImagenet, NamesTheDamagedRow) {
  for (const std::string row : {"n0001.png", "n0001.png,", ",n00", "n0001.png,n00,x"}) {
    const std::string before = read_text(small_.file("val.csv"));
    small_.append("val.csv", row + "\n");
    EXPECT_EQ(error(),
              "mini_imagenet: val.csv, line 5: need filename,label, got \"" + row + "\" in " + root());
    write_text(small_.file("val.csv"), before);
  }
}

TEST_F(MiniImagenet, RefusesPathsThatLeaveTheFolder) {
  for (const std::string path : {"../x.png", "a/../../x.png", "/etc/x.png"}) {
    const std::string before = read_text(small_.file("test.csv"));
    small_.append("test.csv", path + ",n03\n");
    EXPECT_EQ(error(), "mini_imagenet: test.csv, line 5: need a path inside the folder, got \"" + path +
                           ",n03\" in " + root());
    write_text(small_.file("test.csv"), before);
  }
}

TEST_F(MiniImagenet, NamesTheImageThatIsListedTwice) {
  const std::string before = read_text(small_.file("val.csv"));
  small_.append("val.csv", "n0002.png,n00\n");
  EXPECT_EQ(error(),
            "mini_imagenet: need each image once, got n0002.png in val.csv, line 3 and in val.csv, "
            "line 5 in " +
                root());
  write_text(small_.file("val.csv"), before);
  small_.append("test.csv", "n0101.png,n03\n");
  EXPECT_EQ(error(),
            "mini_imagenet: need each image once, got n0101.png in train.csv, line 5 and in "
            "test.csv, line 5 in " +
                root());
}

TEST_F(MiniImagenet, NamesTheClassOfTwoSplits) {
  write_image(small_.file("images/x.png"), 50);
  small_.append("test.csv", "x.png,n01\n");
  EXPECT_EQ(error(),
            "mini_imagenet: need each class in one split, got n01 in train.csv and in test.csv, line 5 in " +
                root());
}

TEST_F(MiniImagenet, NamesTheClassWithTooManyImages) {
  small_.append("test.csv", "x.png,n03\ny.png,n03\n");
  EXPECT_EQ(error(),
            "mini_imagenet: need at most 4 images a class, got more of n03 in test.csv in " + root());
}

TEST_F(MiniImagenet, NamesTheListWithAnotherNumberOfClasses) {
  const MiniImagenetCounts counts{.classes = {3, 1, 1}, .images = 4};
  EXPECT_EQ(error_of([&] { load_mini_imagenet(small_.options(), counts); }),
            "mini_imagenet: need 3 classes in train.csv, got 2 in " + root());
}

/// A list in the form of the official ones: `classes` classes of 600 images.
void write_official_list(const fs::path& path, int first_class, int classes) {
  std::string text = "filename,label\n";
  for (int c = first_class; c < first_class + classes; ++c) {
    const std::string label = "n0" + std::to_string(1000000 + c);
    for (int i = 1; i <= 600; ++i) {
      const std::string number = std::to_string(i);
      text += label + std::string(8 - number.size(), '0') + number + ".jpg," + label + "\n";
    }
  }
  write_text(path, text);
}

TEST_F(MiniImagenet, ChecksTheListsOfTheFullSet) {
  const fs::path full = folder_.path() / "full";
  write_image(full / "images/n0100000000000001.jpg", 1);
  write_official_list(full / "train.csv", 0, 64);
  write_official_list(full / "val.csv", 64, 16);
  write_official_list(full / "test.csv", 80, 20);
  DatasetOptions options = dataset_defaults("mini_imagenet");
  options.root = full.string();
  const auto error = [&] { return error_of([&] { load_dataset(options); }); };
  const std::string place = fs::weakly_canonical(full).string();
  EXPECT_EQ(error(),
            "mini_imagenet: need an image for each of the 60000 rows of train.csv, val.csv and test.csv, "
            "59999 are missing in " +
                place +
                ": n0100000000000002.jpg, n0100000000000003.jpg, n0100000000000004.jpg, "
                "n0100000000000005.jpg, n0100000000000006.jpg, ...");
  write_official_list(full / "train.csv", 0, 63);
  EXPECT_EQ(error(), "mini_imagenet: need 64 classes in train.csv, got 63 in " + place);
}

}  // namespace
}  // namespace ufo::data
