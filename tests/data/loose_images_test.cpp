#include "data/image_folder.h"
#include "small_images.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/data/loose_images.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class ImageFiles : public testing::Test {
 protected:
  LabelledImages labelled() const { return read_labelled_images("support", root_, form_); }
  LooseImages loose() const { return read_loose_images("query", root_, form_); }

  TemporaryFolder folder_;
  fs::path root_ = folder_.path() / "images";
  ImageForm form_{.size = 12, .mean = {0, 0, 0}, .deviation = {1, 1, 1}};
};

TEST_F(ImageFiles, AreFoundInEveryFolderUnderTheirRelativePaths) {
  for (const char* path : {"b.PNG", "a/c.bmp", "a/deep/d.jpg", ".hidden/e.png", "a/.f.png"}) {
    write_image(root_ / path, 1);
  }
  write_text(root_ / "notes.txt", "no image");
  EXPECT_THAT(loose().paths, ElementsAre("a/c.bmp", "a/deep/d.jpg", "b.PNG"));
  EXPECT_EQ(loose().pixels.sizes(), at::IntArrayRef({3, 12, 12, 3}));
  EXPECT_EQ(read_loose_images("query", root_ / "a" / "..", form_).paths, loose().paths);
  EXPECT_EQ(loose().passed_over, "passed over 3 files: 2 hidden (as .hidden/e.png), 1 .txt (as notes.txt)");
}

TEST_F(ImageFiles, HaveTheirFoldersAsClasses) {
  for (const char* path : {"x/1.png", "x/2.png", "x-y/1.png"}) {  // '-' sorts before '/'
    write_image(root_ / path, 1);
  }
  const LabelledImages images = labelled();
  EXPECT_THAT(images.class_names, ElementsAre("x", "x-y"));
  EXPECT_THAT(images.images.paths, ElementsAre("x-y/1.png", "x/1.png", "x/2.png"));
  EXPECT_TRUE(at::equal(images.labels, at::tensor({1, 0, 0}, at::kLong)));
}

TEST_F(ImageFiles, HaveThePixelsThatOmniglotsLoaderGives) {
  const SmallOmniglot omniglot(folder_.path() / "omniglot");
  const Dataset dataset = load_omniglot(omniglot.options(), SmallOmniglot::counts());
  const ImageForm form = image_form(omniglot.options(), dataset.mean, dataset.deviation);
  const auto images = read_loose_images("query", omniglot.file("images_background"), form);
  const at::Tensor expected = dataset.images.images.narrow(0, 0, images.pixels.size(0));
  ASSERT_EQ(images.pixels.size(0), 12);
  EXPECT_TRUE(at::equal(images.pixels, expected));
}

TEST_F(ImageFiles, HaveThePixelsAndStatisticsOfAnImageFolder) {
  for (int i = 0; i < 6; ++i) {
    write_image(root_ / std::string(1, static_cast<char>('a' + i / 2)) / (std::to_string(i) + ".png"), i + 1,
                20, 16);
  }
  DatasetOptions options = dataset_defaults("image_folder");
  options.root = root_.string();
  options.image_size = 12;
  options.validation_fraction = options.test_fraction = 0;
  const Dataset dataset = load_image_folder(options);
  const ImageForm form = image_form(options, dataset.mean, dataset.deviation);
  const auto images = read_labelled_images("support", root_, form);
  EXPECT_TRUE(at::equal(images.images.pixels, dataset.images.images));
  const at::Tensor values = values_of(images.images.pixels, form);
  EXPECT_EQ(values.sizes(), at::IntArrayRef({6, 3, 12, 12}));
  EXPECT_LT(values.mean({0, 2, 3}).abs().max().item<double>(), 1e-5);  // all classes are of meta-train
  EXPECT_LT((values.square().mean({0, 2, 3}) - 1).abs().max().item<double>(), 1e-4);
}

TEST_F(ImageFiles, RefuseStatisticsOfOtherChannels) {
  const DatasetOptions rgb = dataset_defaults("mini_imagenet");
  EXPECT_THAT(error_of([&] { image_form(rgb, {0}, {1}); }), HasSubstr("need 3 numbers of mean"));
  EXPECT_THAT(error_of([&] { image_form(rgb, {0, 0, 0}, {1, 0, 1}); }), HasSubstr("above 0"));
}

TEST_F(ImageFiles, RefuseAFolderThatIsNone) {
  EXPECT_THAT(error_of([&] { loose(); }), HasSubstr("query: need a folder of images, got " + root_.string()));
  write_text(root_, "a file");
  EXPECT_THAT(error_of([&] { loose(); }), HasSubstr("which is a file"));
}

TEST_F(ImageFiles, RefuseAFolderWithoutImages) {
  fs::create_directories(root_);
  write_text(root_ / "a.txt", "no image");
  EXPECT_THAT(error_of([&] { loose(); }), HasSubstr("query: need images of PNG, JPEG"));
}

TEST_F(ImageFiles, RefuseBadClasses) {
  write_image(root_ / "a/1.png", 1);
  EXPECT_THAT(error_of([&] { labelled(); }),
              HasSubstr("support: need at least 2 classes, each a sub-folder"));
  EXPECT_THAT(error_of([&] { labelled(); }), HasSubstr("got only a in "));
  fs::create_directories(root_ / "b");
  EXPECT_THAT(error_of([&] { labelled(); }),
              HasSubstr("of each class, found none in " + (root_ / "b").string()));
  write_image(root_ / "b/deep/1.png", 1);
  EXPECT_THAT(error_of([&] { labelled(); }), HasSubstr("need images as <class>/<file>, got b/deep/1.png in"));
}

TEST_F(ImageFiles, RefuseADamagedImage) {
  write_image(root_ / "a/1.png", 1);
  fs::create_directories(root_ / "b");
  write_text(root_ / "b/2.png", "no image");
  EXPECT_THAT(error_of([&] { labelled(); }), HasSubstr("need an image, cannot decode images/b/2.png"));
}

TEST_F(ImageFiles, AreSkippedWhereDamagedIfAskedAndCounted) {
  const auto skipping = [&] { return read_labelled_images("support", root_, form_, BadImages::skip); };
  for (const char* path : {"a/1.png", "a/3.png", "b/1.png"}) {
    write_image(root_ / path, 1 + path[2]);
  }
  const at::Tensor whole = labelled().images.pixels;
  write_text(root_ / "a/2.png", "no image");
  EXPECT_EQ(
      skipping().images.skipped,
      "skipped 1 image: need an image, cannot decode images/a/2.png: its content is of no known format");
  write_text(root_ / "b/0.png", "no image");
  const LabelledImages images = skipping();
  EXPECT_THAT(images.images.paths, ElementsAre("a/1.png", "a/3.png", "b/1.png"));
  EXPECT_TRUE(at::equal(images.images.pixels, whole));
  EXPECT_TRUE(at::equal(images.labels, at::tensor({0, 0, 1}, at::kLong)));
  EXPECT_THAT(images.images.skipped,
              HasSubstr("skipped 2 images; the first: need an image, cannot decode images/a/2"));
  fs::remove(root_ / "b/1.png");
  EXPECT_THAT(error_of(skipping), HasSubstr("need at least one whole image"));
  fs::remove_all(root_ / "b");
  fs::remove(root_ / "a/1.png");
  fs::remove(root_ / "a/3.png");
  EXPECT_THAT(error_of([&] { read_loose_images("query", root_, form_, BadImages::skip); }),
              HasSubstr("query: need whole images, found none in"));
}

}  // namespace
}  // namespace ufo::data
