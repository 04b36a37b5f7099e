#include <algorithm>
#include <stdexcept>

#include <ATen/ATen.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/data/preview.h>

namespace ufo::data {
namespace {

constexpr int kMargin = 20;
constexpr int kGap = 4;          // between images
constexpr int kColumnGap = 32;   // between the left and the right images, a line in its middle
constexpr int kTextHeight = 24;  // a line of text
constexpr int kRowGap = 10;
constexpr int kTileTarget = 96;  // an image is enlarged up to this
constexpr int kWidestSheet = 2400;

const cv::Scalar kPaper(255, 255, 255), kInk(40, 40, 40), kFaint(120, 120, 120), kLine(190, 190, 190);

/// How the rows share the sheet, in pixels.
struct Grid {
  int height = 0, width = 0;  // of an image as it is
  int factor = 1;             // by which it is enlarged
  int left = 0, right = 0;    // most images of a row

  int tile_width() const { return width * factor; }
  int tile_height() const { return height * factor; }
  int column_width(int images) const { return images * (tile_width() + kGap) - kGap; }
  int right_start() const { return kMargin + column_width(left) + kColumnGap; }
  int sheet_width() const { return right_start() + column_width(right) + kMargin; }
  int row_height() const { return kTextHeight + tile_height() + kRowGap; }
  int first_row() const { return kMargin + 2 * kTextHeight; }
};

void check(const at::Tensor& images, const at::Tensor& first) {
  const bool good = images.defined() && images.dim() == 4 && images.scalar_type() == at::kByte &&
                    (images.size(3) == 1 || images.size(3) == 3) &&
                    images.sizes().slice(1) == first.sizes().slice(1);
  if (!good) {
    throw std::invalid_argument("write_preview: need uint8 images [n, H, W, 1 or 3] of one size");
  }
}

Grid lay_out(const PreviewSheet& sheet) {
  if (sheet.rows.empty()) {
    throw std::invalid_argument("write_preview: need at least one row");
  }
  Grid grid;
  const at::Tensor& first = sheet.rows.front().left;
  for (const PreviewRow& row : sheet.rows) {
    check(row.left, first);
    check(row.right, first);
    grid.left = std::max(grid.left, static_cast<int>(row.left.size(0)));
    grid.right = std::max(grid.right, static_cast<int>(row.right.size(0)));
  }
  grid.height = static_cast<int>(first.size(1));
  grid.width = static_cast<int>(first.size(2));
  const int columns = std::max(1, grid.left + grid.right);
  grid.factor = std::max(
      1, std::min(kTileTarget / std::max(grid.height, grid.width), kWidestSheet / columns / grid.width));
  return grid;
}

int text_width(const std::string& text, double size) {
  int baseline = 0;
  return cv::getTextSize(text, cv::FONT_HERSHEY_DUPLEX, size, 1, &baseline).width;
}

/// `top` is that of a line of kTextHeight.
void put_text(cv::Mat& canvas, const std::string& text, int x, int top, double size,
              const cv::Scalar& colour) {
  cv::putText(canvas, text, {x, top + kTextHeight - 8}, cv::FONT_HERSHEY_DUPLEX, size, colour, 1,
              cv::LINE_AA);
}

void put_images(cv::Mat& canvas, const Grid& grid, const at::Tensor& images, int x, int y) {
  const at::Tensor pixels = images.contiguous();
  for (int64_t i = 0; i < pixels.size(0); ++i) {
    const at::Tensor one = pixels[i];
    const int type = one.size(2) == 1 ? CV_8UC1 : CV_8UC3;
    const cv::Mat image(grid.height, grid.width, type, const_cast<void*>(one.const_data_ptr()));
    cv::Mat colour;
    cv::cvtColor(image, colour, type == CV_8UC1 ? cv::COLOR_GRAY2BGR : cv::COLOR_RGB2BGR);
    cv::Mat target = canvas(cv::Rect(x, y, grid.tile_width(), grid.tile_height()));
    cv::resize(colour, target, target.size(), 0, 0, cv::INTER_NEAREST);
    x += grid.tile_width() + kGap;
  }
}

cv::Mat draw(const PreviewSheet& sheet) {
  constexpr double kTitleSize = 0.55, kLabelSize = 0.42;
  const Grid grid = lay_out(sheet);
  int width = std::max(grid.sheet_width(), 2 * kMargin + text_width(sheet.title, kTitleSize));
  for (const PreviewRow& row : sheet.rows) {
    width = std::max(width, 2 * kMargin + text_width(row.label, kLabelSize));
  }
  const int rows = static_cast<int>(sheet.rows.size());
  const int bottom = grid.first_row() + rows * grid.row_height();
  cv::Mat canvas(bottom + kMargin - kRowGap, width, CV_8UC3, kPaper);

  put_text(canvas, sheet.title, kMargin, kMargin - 8, kTitleSize, kInk);
  put_text(canvas, sheet.left_title, kMargin, kMargin + kTextHeight - 6, kLabelSize, kFaint);
  put_text(canvas, sheet.right_title, grid.right_start(), kMargin + kTextHeight - 6, kLabelSize, kFaint);
  const int line = grid.right_start() - kColumnGap / 2;
  for (int r = 0; r < rows; ++r) {
    const PreviewRow& row = sheet.rows[static_cast<size_t>(r)];
    const int top = grid.first_row() + r * grid.row_height(), images = top + kTextHeight;
    put_text(canvas, row.label, kMargin, top, kLabelSize, kInk);
    put_images(canvas, grid, row.left, kMargin, images);
    put_images(canvas, grid, row.right, grid.right_start(), images);
    cv::line(canvas, {line, images}, {line, images + grid.tile_height() - 1}, kLine, 1);
  }
  return canvas;
}

}  // namespace

void write_preview(const PreviewSheet& sheet, const std::filesystem::path& path) {
  std::vector<unsigned char> png;
  if (!cv::imencode(".png", draw(sheet), png)) {
    throw std::runtime_error(path.string() + ": cannot encode the preview as PNG");
  }
  write_file_atomically(path, std::string_view(reinterpret_cast<const char*>(png.data()), png.size()));
}

}  // namespace ufo::data
