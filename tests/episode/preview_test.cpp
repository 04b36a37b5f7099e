#include "random_dataset.h"
#include "support/temporary_folder.h"

#include <stdexcept>

#include <gtest/gtest.h>
#include <opencv2/imgcodecs.hpp>

#include <ufo/base/error.h>
#include <ufo/data/preview.h>
#include <ufo/episode/preview.h>

namespace ufo::episode {
namespace {

TEST(Preview, IsAPictureWithARowAClass) {
  const data::Dataset dataset = random_dataset(16, 20, 28);
  const TemporaryFolder folder;
  const auto path = folder.path() / "episode.png";
  const auto height_of = [&](int64_t ways) {
    write_preview(EpisodeSampler(dataset, {ways, 5, 15}, 1), data::Split::train, 0, path);
    return cv::imread(path.string()).rows;
  };
  const int two = height_of(2), three = height_of(3), four = height_of(4);
  EXPECT_GT(two, 2 * 28);
  EXPECT_EQ(three - two, four - three);
  EXPECT_GT(three - two, 28);
}

TEST(Preview, ShowsThePixelsOfSupportAndQuery) {
  data::PreviewSheet sheet{.title = "", .left_title = "", .right_title = "", .rows = {}};
  at::Tensor red = at::zeros({1, 8, 8, 3}, at::kByte), blue = at::zeros({2, 8, 8, 3}, at::kByte);
  red.select(3, 0).fill_(200);
  blue.select(3, 2).fill_(100);
  sheet.rows.push_back({.label = "", .left = red, .right = blue});
  const TemporaryFolder folder;
  const auto path = folder.path() / "sheet.png";
  data::write_preview(sheet, path);
  const cv::Mat picture = cv::imread(path.string());
  int reds = 0, blues = 0;
  for (const auto& pixel : cv::Mat_<cv::Vec3b>(picture)) {
    reds += pixel == cv::Vec3b(0, 0, 200);
    blues += pixel == cv::Vec3b(100, 0, 0);
  }
  EXPECT_EQ(reds % (8 * 8), 0);
  EXPECT_GT(reds, 8 * 8);
  EXPECT_EQ(blues, 2 * reds);
}

TEST(Preview, RefusesWhatItCannotDraw) {
  const at::Tensor images = at::zeros({1, 8, 8, 1}, at::kByte);
  const auto sheet_of = [](at::Tensor left, at::Tensor right) {
    return data::PreviewSheet{.rows = {{.label = "", .left = std::move(left), .right = std::move(right)}}};
  };
  const TemporaryFolder folder;
  const auto path = folder.path() / "sheet.png";
  EXPECT_THROW(data::write_preview({}, path), std::invalid_argument);
  EXPECT_THROW(data::write_preview(sheet_of({}, images), path), std::invalid_argument);
  EXPECT_THROW(data::write_preview(sheet_of(images, images.to(at::kFloat)), path), std::invalid_argument);
  EXPECT_THROW(data::write_preview(sheet_of(images, at::zeros({1, 9, 8, 1}, at::kByte)), path),
               std::invalid_argument);
  EXPECT_THROW(data::write_preview(sheet_of(images, images), folder.path() / "missing" / "sheet.png"),
               UserError);
}

}  // namespace
}  // namespace ufo::episode
