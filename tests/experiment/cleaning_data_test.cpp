#include "support/source_folder.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <ufo/base/error.h>
#include <ufo/data/idx.h>
#include <ufo/experiment/cleaning_data.h>

namespace ufo::experiment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// The bytes of an IDX file of `values` uint8.
std::string idx(const at::Tensor& values) {
  std::string bytes = {0, 0, 8, static_cast<char>(values.dim())};
  for (const int64_t size : values.sizes()) {
    for (const int shift : {24, 16, 8, 0}) {
      bytes.push_back(static_cast<char>(size >> shift & 255));
    }
  }
  const at::Tensor flat = values.contiguous();
  return bytes.append(reinterpret_cast<const char*>(flat.const_data_ptr<uint8_t>()),
                      static_cast<size_t>(flat.numel()));
}

at::Tensor bytes_from(int64_t start, at::IntArrayRef sizes) {
  int64_t count = 1;
  for (const int64_t size : sizes) {
    count *= size;
  }
  return at::arange(start, start + count).remainder(251).to(at::kByte).view(sizes);
}

/// A folder with an MNIST of 12 + 5 images of 3 x 2 pixels.
class SmallMnist : public testing::Test {
 protected:
  SmallMnist() {
    std::string name = (fs::temp_directory_path() / "ufo-mnist-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("cannot make a temporary folder");
    }
    folder = name;
    write("train-images-idx3-ubyte", idx(bytes_from(0, {12, 3, 2})));
    write("train-labels-idx1-ubyte", idx(at::arange(12).remainder(10).to(at::kByte)));
    write("t10k-images-idx3-ubyte", idx(bytes_from(100, {5, 3, 2})));
    write("t10k-labels-idx1-ubyte", idx(at::arange(5).to(at::kByte)));
  }
  ~SmallMnist() override {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder / name, std::ios::binary) << content;
  }

  CleaningData load() const { return mnist_cleaning_data(folder, 1, {.train = 8, .validation = 4}); }

  /// Expects a DataError whose one line has all of `parts`.
  void expect_refused(const std::vector<std::string>& parts) const {
    try {
      load();
      ADD_FAILURE() << "was not refused";
    } catch (const DataError& error) {
      for (const std::string& part : parts) {
        EXPECT_THAT(error.what(), HasSubstr(part));
      }
    }
  }

  fs::path folder;
};

TEST_F(SmallMnist, GivesEachTrainingImageOnceWithItsLabel) {
  const auto data = load();
  EXPECT_EQ(data.train.features.sizes(), (std::vector<int64_t>{8, 6}));
  EXPECT_EQ(data.validation.features.sizes(), (std::vector<int64_t>{4, 6}));
  EXPECT_EQ(data.test.features.sizes(), (std::vector<int64_t>{5, 6}));
  // Image i begins with pixel 6 i and has the label i mod 10.
  const auto first = at::cat({data.train.features, data.validation.features}).select(1, 0) * 255 / 6;
  const auto number = first.round().to(at::kLong);
  EXPECT_TRUE(at::equal(std::get<0>(number.sort()), at::arange(12)));
  EXPECT_TRUE(at::equal(number.remainder(10), at::cat({data.train.labels, data.validation.labels})));
  EXPECT_TRUE(at::equal(data.test.labels, at::arange(5)));
}

TEST_F(SmallMnist, ReadsGzippedFiles) {
  const auto plain = load();
  for (const std::string name : {"train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    std::ifstream stream(folder / name, std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(stream), {});
    const gzFile file = ::gzopen((folder / (name + ".gz")).c_str(), "wb");
    ASSERT_EQ(::gzwrite(file, content.data(), static_cast<unsigned>(content.size())),
              static_cast<int>(content.size()));
    ::gzclose(file);
    fs::remove(folder / name);
  }
  const auto zipped = load();
  EXPECT_TRUE(at::equal(zipped.train.features, plain.train.features));
  EXPECT_TRUE(at::equal(zipped.test.labels, plain.test.labels));
}

TEST_F(SmallMnist, MissingFile) {
  fs::remove(folder / "t10k-labels-idx1-ubyte");
  expect_refused({"need t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz", folder.string()});
}

TEST_F(SmallMnist, FileCutShortOrTooLong) {
  const std::string whole = idx(bytes_from(0, {12, 3, 2}));
  write("train-images-idx3-ubyte", whole.substr(0, whole.size() - 2));
  expect_refused({"train-images-idx3-ubyte", "need 72 bytes", "got 70"});
  write("train-images-idx3-ubyte", whole + "x");
  expect_refused({"train-images-idx3-ubyte", "need 72 bytes", "got more"});
  write("train-images-idx3-ubyte", whole.substr(0, 7));
  expect_refused({"need 4 bytes of an IDX header, got 3"});
}

TEST_F(SmallMnist, OtherFormats) {
  write("train-images-idx3-ubyte", "\x89PNG and so on");
  expect_refused({"need an IDX file of unsigned bytes", "89504e47"});
  write("train-images-idx3-ubyte", idx(bytes_from(0, {12, 6})));
  expect_refused({"need 3 dimensions, got 2"});
  write("train-images-idx3-ubyte",
        std::string("\0\0\x8\x3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16));
  expect_refused({"at most 4 GiB"});
}

TEST_F(SmallMnist, FilesThatDoNotBelongTogether) {
  write("train-labels-idx1-ubyte", idx(at::arange(11).remainder(10).to(at::kByte)));
  expect_refused({"11 labels for 12 images"});
  write("train-labels-idx1-ubyte", idx(at::arange(12).to(at::kByte)));
  expect_refused({"labels from 0 to 9, got 11"});
  write("train-labels-idx1-ubyte", idx(at::zeros({12}, at::kByte)));
  write("t10k-images-idx3-ubyte", idx(bytes_from(0, {5, 2, 2})));
  expect_refused({"one size, got 6 and 4"});
}

TEST_F(SmallMnist, TooFewImages) {
  try {
    mnist_cleaning_data(folder, 1);
    ADD_FAILURE() << "was not refused";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("need at least 3000 train images, got 12"));
  }
}

TEST(OmniglotCleaningData, HasAllThreeSetsWithEveryClassAlike) {
  const auto data = omniglot_cleaning_data(source_path("data/omniglot"), 1);
  for (const auto& [set, size] : {std::pair{&data.train, 1200}, {&data.validation, 300}, {&data.test, 500}}) {
    EXPECT_EQ(set->features.sizes(), (std::vector<int64_t>{size, 14 * 14}));
    EXPECT_TRUE(at::equal(set->labels.bincount(), at::full({20}, size / 20, at::kLong)));
  }
}

TEST(OmniglotCleaningData, ShiftsADrawingByOnePixel) {
  const auto data = omniglot_cleaning_data(source_path("data/omniglot"), 1);
  const auto image = [&](int64_t view, int64_t i) {
    return data.test.features[view * 100 + i].view({14, 14});
  };
  for (int64_t i = 0; i < 100; ++i) {
    const at::Tensor original = image(0, i);
    EXPECT_TRUE(at::equal(image(1, i).slice(0, 1), original.slice(0, 0, 13)));
    EXPECT_TRUE(at::equal(image(2, i).slice(0, 0, 13), original.slice(0, 1)));
    EXPECT_TRUE(at::equal(image(3, i).slice(1, 1), original.slice(1, 0, 13)));
    EXPECT_TRUE(at::equal(image(4, i).slice(1, 0, 13), original.slice(1, 1)));
    EXPECT_EQ(data.test.labels[i].item<int64_t>(), data.test.labels[400 + i].item<int64_t>());
  }
}

}  // namespace
}  // namespace ufo::experiment
