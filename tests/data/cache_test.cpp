#include "data/cache.h"

#include "data/file_tree.h"
#include "data/omniglot.h"
#include "small_omniglot.h"
#include "support/temporary_folder.h"

#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/base/safetensors.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

class OmniglotCache : public testing::Test {
 protected:
  Dataset load() const { return load_omniglot(small_.options(), SmallOmniglot::counts()); }

  /// Makes the first drawing of the first character all ink.
  void repaint() const {
    const std::string to = "images_background/Greek/character01/0001_01.png";
    write_text(small_.file(to), read_text(small_.file("images_background/Hebrew/character01/0003_01.png")));
  }

  PrivateCache cache_;
  TemporaryFolder folder_;
  SmallOmniglot small_{folder_.path()};
};

/// The images that SmallOmniglot drew, strokes bright.
at::Tensor expected_images() {
  constexpr int kSize = SmallOmniglot::kSize;
  at::Tensor images = at::empty({20, kSize, kSize, 1}, at::kByte);
  uint8_t* pixel = images.mutable_data_ptr<uint8_t>();
  for (int i = 0; i < 20; ++i) {
    for (int y = 0; y < kSize; ++y) {
      for (int x = 0; x < kSize; ++x) {
        *pixel++ = static_cast<uint8_t>(255 - SmallOmniglot::pixel(i / 4, i % 4, y, x));
      }
    }
  }
  return images;
}

TEST_F(OmniglotCache, ImagesAreThoseDrawnInOrder) {
  const Dataset dataset = load();
  EXPECT_TRUE(dataset.images.images.equal(expected_images()));
  EXPECT_THAT(dataset.images.class_names,
              testing::ElementsAre("Greek/character01", "Greek/character02", "Hebrew/character01",
                                   "Angelic/character01", "Tibetan/character01"));
  EXPECT_THAT(dataset.images.class_offsets, testing::ElementsAre(0, 4, 8, 12, 16, 20));
}

TEST_F(OmniglotCache, ArchivesGiveTheSameAsFolders) {
  small_.pack();
  EXPECT_TRUE(load().images.images.equal(expected_images()));
}

TEST_F(OmniglotCache, DigestDependsOnThePixelsAlone) {
  const auto digest = [&] {
    return verify_omniglot(small_.options(), SmallOmniglot::counts()).sources.at(0).digest;
  };
  const std::string folders = digest();
  repaint();
  EXPECT_NE(digest(), folders);
  SmallOmniglot again(folder_.path());
  again.pack();
  EXPECT_EQ(digest(), folders);
}

TEST_F(OmniglotCache, ResizesByArea) {
  DatasetOptions options = small_.options();
  options.image_size = 6;  // below what the config allows, half of the drawings' size
  const Dataset dataset = load_omniglot(options, SmallOmniglot::counts());
  const at::Tensor expected =
      at::avg_pool2d(expected_images().permute({0, 3, 1, 2}).to(at::kFloat), 2).permute({0, 2, 3, 1});
  EXPECT_LE((dataset.images.images.to(at::kFloat) - expected).abs().max().item<float>(), 0.5);
}

TEST_F(OmniglotCache, SecondLoadIsMappedAndEqual) {
  load();
  const Dataset second = load();
  EXPECT_TRUE(fs::exists(second.cache));
  EXPECT_TRUE(second.images.images.equal(expected_images()));
}

TEST_F(OmniglotCache, ImagesOutliveTheCacheFile) {
  load();
  Dataset second = load();
  fs::remove(second.cache);
  const at::Tensor view = second.images.images.narrow(0, 4, 4);
  second = {};
  EXPECT_TRUE(view.equal(expected_images().narrow(0, 4, 4)));
}

TEST_F(OmniglotCache, IsRebuiltWhereverAByteIsFlippedOrTheEndIsCut) {
  const fs::path cache = load().cache;
  const std::string good = read_text(cache);
  for (size_t position = 0; position < good.size(); position += position < 400 ? 1 : 97) {
    std::string bad = good;
    bad[position] ^= 0x41;
    write_text(cache, bad);
    ASSERT_TRUE(load().images.images.equal(expected_images())) << "byte " << position;
    ASSERT_EQ(read_text(cache), good) << "byte " << position;
  }
  for (size_t kept : {size_t{0}, size_t{7}, size_t{8}, size_t{72}, good.size() - 1}) {
    write_text(cache, good.substr(0, kept));
    ASSERT_TRUE(load().images.images.equal(expected_images())) << kept << " bytes kept";
    ASSERT_EQ(read_text(cache), good);
  }
}

TEST_F(OmniglotCache, IsASafetensorsFile) {
  const TensorFile file = load_safetensors(load().cache);
  EXPECT_TRUE(file.tensors.at("images").equal(expected_images()));
  EXPECT_TRUE(file.tensors.at("class_offsets").equal(at::tensor({0, 4, 8, 12, 16, 20}, at::kLong)));
}

TEST_F(OmniglotCache, IsMadeAnewWhereItsOffsetsLeadOut) {
  const fs::path cache = load().cache;
  for (const auto& offsets :
       {at::tensor({0, 4, 8, 12, 16, 21}, at::kLong), at::tensor({0, 4, 8, 12, 16, 19}, at::kLong),
        at::tensor({0, 8, 4, 12, 16, 20}, at::kLong), at::tensor({-4, 4, 8, 12, 16, 20}, at::kLong),
        at::tensor({0, 20}, at::kLong)}) {
    TensorFile file = load_safetensors(cache);
    file.tensors["class_offsets"] = offsets;
    save_safetensors(cache, file);  // with a good checksum
    const Dataset dataset = load();
    EXPECT_THAT(dataset.images.class_offsets, testing::ElementsAre(0, 4, 8, 12, 16, 20));
    EXPECT_THAT(dataset.remarks,
                testing::ElementsAre("made the cache " + cache.string() + " anew: it was damaged"));
    EXPECT_THAT(load().remarks, testing::ElementsAre());
  }
}

TEST_F(OmniglotCache, IsMadeOnceByProcessesThatStartTogether) {
  const CacheKey key{.name = "together", .content = "x"};
  std::atomic<int> decoded = 0;
  const auto make = [&] {
    return ImagePlan{.class_offsets = {0, 1},
                     .class_names = {"ant"},
                     .height = 1,
                     .width = 1,
                     .channels = 1,
                     .attachment = {},
                     .splits = {},
                     .passed_over = {},
                     .decode = [&](const ImageTarget& target) {
                       ++decoded;
                       std::this_thread::sleep_for(std::chrono::milliseconds(200));
                       target.images.fill_(7);
                     }};
  };
  std::vector<std::future<CachedImages>> starts;
  for (int i = 0; i < 4; ++i) {
    starts.push_back(std::async(std::launch::async, [&] { return load_through_cache(key, make); }));
  }
  for (auto& start : starts) {
    EXPECT_EQ(start.get().images.images.item<int>(), 7);
  }
  EXPECT_EQ(decoded, 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(cache_.path() / "ufo-maml"), fs::directory_iterator()), 1);
}

TEST_F(OmniglotCache, IsNotUsedForAChangedFolder) {
  load();
  repaint();
  const at::Tensor images = load().images.images;
  EXPECT_FALSE(images.equal(expected_images()));
  EXPECT_TRUE(images[0].equal(expected_images()[8]));
}

TEST_F(OmniglotCache, IsNotUsedForAChangedArchiveOfTheSameSizeAndTime) {
  small_.pack();
  const fs::path archive = folder_.path() / "images_evaluation.zip";
  const auto time = fs::last_write_time(archive);
  load();
  std::string bytes = read_text(archive);
  bytes[bytes.size() / 2] ^= 1;
  write_text(archive, bytes);
  fs::last_write_time(archive, time);
  EXPECT_THROW(load(), DataError);
}

TEST_F(OmniglotCache, IsNotSharedByArchivesOfEqualNameSizeAndTime) {
  const fs::path one = folder_.path() / "one" / "a.zip", other = folder_.path() / "other" / "a.zip";
  constexpr size_t kLarge = size_t{65} << 20;  // too large to be read through
  for (const fs::path& archive : {one, other}) {
    fs::create_directories(archive.parent_path());
    write_text(archive, "x");
    fs::resize_file(archive, kLarge);
  }
  const auto time = fs::last_write_time(one);
  fs::last_write_time(other, time);
  const std::string before = open_archive(one)->fingerprint();
  EXPECT_NE(open_archive(other)->fingerprint(), before);
  EXPECT_EQ(open_archive(one)->fingerprint(), before);
  std::ofstream(one, std::ios::binary | std::ios::in | std::ios::out).seekp(kLarge - 2).put('y');
  fs::last_write_time(one, time);
  EXPECT_NE(open_archive(one)->fingerprint(), before);
}

TEST_F(OmniglotCache, IsNotUsedForAFolderWhoseFileWasReplacedByOneOfEqualSizeAndTime) {
  const fs::path file = small_.file("images_background/Greek/character01/0001_01.png");
  const auto time = fs::last_write_time(file);
  load();
  std::string bytes = read_text(file);
  bytes[bytes.size() / 2] ^= 1;
  write_text(file, bytes);
  fs::last_write_time(file, time);
  EXPECT_THROW(load(), DataError);
}

TEST_F(OmniglotCache, IsNotUsedForOtherSizesAndCounts) {
  load();
  DatasetOptions options = small_.options();
  options.image_size = 8;
  EXPECT_EQ(load_omniglot(options, SmallOmniglot::counts()).images.images.size(1), 8);
  EXPECT_THROW(load_omniglot(small_.options()), DataError);
}

TEST_F(OmniglotCache, IsDoneWithoutWhereItCannotBeWritten) {
  write_text(cache_.path() / "ufo-maml", "a file where the folder should be");
  for (int i = 0; i < 2; ++i) {
    const Dataset dataset = load();
    EXPECT_EQ(dataset.cache, "");
    EXPECT_TRUE(dataset.images.images.equal(expected_images()));
    EXPECT_THAT(dataset.remarks,
                testing::ElementsAre(testing::StartsWith("images are held in memory without a cache: ")));
  }
}

TEST_F(OmniglotCache, IsDoneWithoutWhereThereIsNoHome) {
  ::unsetenv("XDG_CACHE_HOME");
  ::unsetenv("HOME");
  EXPECT_EQ(load().cache, "");
}

TEST_F(OmniglotCache, IsInTheHomeFolderByDefault) {
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("HOME", folder_.path().c_str(), 1);
  EXPECT_EQ(load().cache.parent_path(), folder_.path() / ".cache" / "ufo-maml");
}

}  // namespace
}  // namespace ufo::data
