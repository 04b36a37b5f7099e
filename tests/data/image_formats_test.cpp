#include "data/image/decode.h"
#include "encoded_images.h"

#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

namespace ufo::data {
namespace {

using testing::HasSubstr;

/// An image of red, green and blue that is its own under no turn.
cv::Mat sample(int width = 24, int height = 16) {
  cv::Mat image(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      image.at<cv::Vec3b>(y, x) = {static_cast<unsigned char>(x * 5), static_cast<unsigned char>(y * 7),
                                   static_cast<unsigned char>(x * 2 + y * 3)};
    }
  }
  return image;
}

cv::Mat in_file_order(const cv::Mat& rgb) {
  cv::Mat bgr;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

double largest_difference(const cv::Mat& a, const cv::Mat& b) {
  EXPECT_EQ(a.size(), b.size());
  EXPECT_EQ(a.type(), b.type());
  return a.size() == b.size() && a.type() == b.type() ? cv::norm(a, b, cv::NORM_INF) : 1e9;
}

/// Where the pixel of row y and column x of the upright image is stored (EXIF 2.32, 4.6.4).
cv::Point stored_place(int orientation, int x, int y, int width, int height) {
  switch (orientation) {
    case 2:
      return {width - 1 - x, y};
    case 3:
      return {width - 1 - x, height - 1 - y};
    case 4:
      return {x, height - 1 - y};
    case 5:
      return {y, x};
    case 6:
      return {y, width - 1 - x};
    case 7:
      return {height - 1 - y, width - 1 - x};
    case 8:
      return {height - 1 - y, x};
    default:
      return {x, y};
  }
}

/// `upright` as a camera stores it under `orientation`.
cv::Mat stored(const cv::Mat& upright, int orientation) {
  cv::Mat image = orientation < 5 ? cv::Mat(upright.rows, upright.cols, CV_8UC3)
                                  : cv::Mat(upright.cols, upright.rows, CV_8UC3);
  for (int y = 0; y < upright.rows; ++y) {
    for (int x = 0; x < upright.cols; ++x) {
      image.at<cv::Vec3b>(stored_place(orientation, x, y, upright.cols, upright.rows)) =
          upright.at<cv::Vec3b>(y, x);
    }
  }
  return image;
}

std::string fault_of(const Encoded& file) {
  try {
    decode_image(file, 3);
  } catch (const ImageFault& fault) {
    return fault.what();
  }
  return "";
}

TEST(ImageFormats, AreReadAsRedGreenBlue) {
  for (const char* ending : {".png", ".bmp", ".webp", ".tif"}) {
    EXPECT_EQ(largest_difference(decode_image(encode(in_file_order(sample()), ending), 3), sample()), 0)
        << ending;
  }
  EXPECT_LE(largest_difference(decode_image(encode(in_file_order(sample()), ".jpg"), 3), sample()), 12);
}

TEST(ImageFormats, BecomeGreyByTheWeightsOfBt601) {
  const cv::Mat rgb = sample();
  const cv::Mat grey = decode_image(encode(in_file_order(rgb), ".png"), 1);
  ASSERT_EQ(grey.type(), CV_8UC1);
  for (int y = 0; y < grey.rows; ++y) {
    for (int x = 0; x < grey.cols; ++x) {
      const auto& c = rgb.at<cv::Vec3b>(y, x);
      ASSERT_NEAR(grey.at<unsigned char>(y, x), 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2], 0.51);
    }
  }
}

TEST(ImageFormats, AreTurnedUprightAsExifSays) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const cv::Mat camera = in_file_order(stored(sample(), orientation));
    for (const char* ending : {".png", ".jpg", ".webp"}) {
      const cv::Mat image = decode_image(encode_with_orientation(camera, ending, orientation), 3);
      EXPECT_LE(largest_difference(image, sample()), ending == std::string(".jpg") ? 12 : 0)
          << ending << " of orientation " << orientation;
    }
    const cv::Mat rgb = stored(sample(), orientation);
    const std::string pixels(reinterpret_cast<const char*>(rgb.data), rgb.total() * 3);
    const Encoded tiff =
        encode_tiff({.width = rgb.cols, .height = rgb.rows, .orientation = orientation}, pixels);
    EXPECT_EQ(largest_difference(decode_image(tiff, 3), sample()), 0)
        << "TIFF of orientation " << orientation;
  }
}

TEST(ImageFormats, TransparencyIsCompositedOnWhite) {
  cv::Mat image(1, 3, CV_8UC4);
  image.at<cv::Vec4b>(0, 0) = {10, 20, 30, 0};
  image.at<cv::Vec4b>(0, 1) = {10, 20, 30, 255};
  image.at<cv::Vec4b>(0, 2) = {10, 20, 30, 128};
  const cv::Mat expected = (cv::Mat_<unsigned char>(1, 9) << 255, 255, 255, 30, 20, 10, 142, 137, 132);
  EXPECT_EQ(largest_difference(decode_image(encode(image, ".png"), 3), expected.reshape(3)), 0);
  const cv::Mat webp = decode_image(encode(image, ".webp"), 3);
  EXPECT_EQ(webp.at<cv::Vec3b>(0, 0), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(webp.at<cv::Vec3b>(0, 2), cv::Vec3b(142, 137, 132));
}

TEST(ImageFormats, TransparencyOfAPaletteAndOfOneColourCounts) {
  const std::string palette = png_chunk("PLTE", "\x0a\x14\x1e\x28\x32\x3c");
  const cv::Mat two = decode_image(
      encode_png_row(2, 3, 8, std::string("\0\1", 2), palette + png_chunk("tRNS", std::string("\0\xff", 2))),
      3);
  EXPECT_EQ(two.at<cv::Vec3b>(0, 0), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(two.at<cv::Vec3b>(0, 1), cv::Vec3b(40, 50, 60));
  const std::string seven = png_chunk("tRNS", std::string("\0\7", 2));
  const cv::Mat grey = decode_image(encode_png_row(2, 0, 8, "\7\11", seven), 1);
  EXPECT_EQ(grey.at<unsigned char>(0, 0), 255);
  EXPECT_EQ(grey.at<unsigned char>(0, 1), 9);
  const std::string black = png_chunk("tRNS", std::string("\0\0", 2));
  const cv::Mat bits = decode_image(encode_png_row(2, 0, 2, "\x10", black), 1);  // 0 and 1 of 3
  EXPECT_EQ(bits.at<unsigned char>(0, 0), 255);
  EXPECT_EQ(bits.at<unsigned char>(0, 1), 85);
}

TEST(ImageFormats, TransparencyOfATiffMayBeMultipliedInAlready) {
  const std::string pixels("\x64\x32\x0a\x80\x64\x32\x0a\xff", 8);  // 100, 50, 10 at half and whole
  for (const int kind : {1, 2}) {                                   // multiplied in, straight
    const cv::Mat image = decode_image(encode_tiff({.samples = 4, .extra_samples = kind}, pixels), 3);
    EXPECT_NEAR(image.at<cv::Vec3b>(0, 0)[0], kind == 1 ? 100 + 127 : 50 + 127, 1);
    EXPECT_EQ(image.at<cv::Vec3b>(0, 1), cv::Vec3b(100, 50, 10));
  }
}

TEST(ImageFormats, SixteenBitsBecomeEight) {
  const Encoded grey = encode(cv::Mat(4, 4, CV_16UC1, cv::Scalar(128 * 257 + 120)), ".png");
  EXPECT_EQ(decode_image(grey, 1).at<unsigned char>(0, 0), 128);
  const Encoded tiff = encode(cv::Mat(4, 4, CV_16UC3, cv::Scalar(1 * 257, 2 * 257, 3 * 257)), ".tif");
  EXPECT_EQ(decode_image(tiff, 3).at<cv::Vec3b>(0, 0), cv::Vec3b(3, 2, 1));
}

TEST(ImageFormats, BmpOfOs2IsRead) {
  using namespace std::string_literals;
  const std::string bmp = "BM\0\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\2\0\1\0\1\0\x18\0\1\2\3\4\5\6\0\0"s;
  const cv::Mat image = decode_image(Encoded(bmp.begin(), bmp.end()), 3);
  ASSERT_EQ(image.size(), cv::Size(2, 1));
  EXPECT_EQ(image.at<cv::Vec3b>(0, 1), cv::Vec3b(6, 5, 4));
}

TEST(ImageFormats, AnUnknownBeginningIsRefused) {
  for (const std::string text : {"", "no image", "#?RADIANCE\n", "P6\n2 1\n255\n123456", "II+"}) {
    EXPECT_EQ(fault_of(Encoded(text.begin(), text.end())), "its content is of no known format") << text;
  }
}

TEST(ImageFormats, PixelsAreCountedBeforeTheyAreDecoded) {
  EXPECT_THAT(fault_of(encode_tiff({.width = 40000, .height = 40000}, "xxx")),
              HasSubstr("40000x40000 pixels"));
  EXPECT_THAT(fault_of(encode_tiff({.tile_width = 65520}, "xxxxxx")), HasSubstr("65520x65520 pixels"));
  EXPECT_THAT(fault_of(encode_gif(60000, 60000, 1)), HasSubstr("60000x60000 pixels"));
  Encoded webp = encode_with_orientation(sample(), ".webp", 1);
  webp[26] = webp[29] = 0xff;  // the highest of three bytes each
  EXPECT_THAT(fault_of(webp), HasSubstr("pixels, of at most 40 million"));
}

TEST(ImageFormats, ScansAndFramesAreCountedBeforeTheyAreDecoded) {
  const Encoded plain = encode(sample(), ".jpg");
  std::string jpeg(plain.begin(), plain.end() - 2);
  for (int i = 0; i < kMostScans; ++i) {
    jpeg += std::string("\xff\xda\0\x06\1\1\0\0", 8);
  }
  jpeg += "\xff\xd9";
  EXPECT_EQ(fault_of(Encoded(jpeg.begin(), jpeg.end())), "it has more than 64 scans");
  EXPECT_EQ(fault_of(encode_gif(2, 2, kMostFrames + 1)), "it has more than 1000 frames");
  EXPECT_NE(fault_of(encode_gif(2, 2, kMostFrames)), "it has more than 1000 frames");
}

TEST(ImageFormats, ATiffThatNothingReadsIsRefusedAsWhatItIs) {
  EXPECT_THAT(fault_of(encode_tiff({.compression = 34925}, "xxxxxx")), HasSubstr("compression 34925"));
  EXPECT_THAT(fault_of(encode_tiff({.samples = 2}, "xxxx")), HasSubstr("2 samples of 8 bits"));
  EXPECT_EQ(fault_of(encode_tiff({.width = 3}, "xxxxxxxxx")), "");
  Encoded cut = encode_tiff({.width = 3}, "xxxxxxxxx");
  cut.pop_back();
  EXPECT_EQ(fault_of(cut), "it ends before its image does");
}

TEST(ImageFormats, ResizingByAreaTakesEachAxisByItself) {
  cv::Mat wide(2, 64, CV_8UC1);
  for (int x = 0; x < wide.cols; ++x) {
    wide.col(x).setTo(cv::Scalar(x % 2 == 0 ? 200 : 0));  // stripes, of which sampling would miss half
  }
  cv::Mat small(8, 8, CV_8UC1);
  resize_by_area(wide, small);
  EXPECT_EQ(cv::norm(small, cv::Mat(8, 8, CV_8UC1, cv::Scalar(100)), cv::NORM_INF), 0);
}

TEST(ImageFormats, NamesTellWhichFilesAreImages) {
  for (const char* name : {"a.png", "a.JPG", "a.jpeg", "b/c.bmp", "a.webp", "a.TIFF", "a.tif"}) {
    EXPECT_TRUE(is_image(name)) << name;
  }
  for (const char* name : {"a", "png", "a.", "a.txt", "a.png.txt", "a.jp", "b.png/c"}) {
    EXPECT_FALSE(is_image(name)) << name;
  }
}

}  // namespace
}  // namespace ufo::data
