#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace ufo::data {

// H x W pixels, C channels (1 or 3).

/// A row of a sheet of images: those of the left column, those of the right column, and a line of text above.
struct PreviewRow {
  std::string label;
  at::Tensor left;   ///< [n, H, W, C] uint8
  at::Tensor right;  ///< [m, H, W, C] uint8
};

/// A picture of labelled rows in two columns.
struct PreviewSheet {
  std::string title;
  std::string left_title;
  std::string right_title;
  std::vector<PreviewRow> rows;
};

/// Draws `sheet` to the PNG file `path`, small images enlarged by a whole factor.
/// Throws std::invalid_argument for tensors of other sizes or kinds, UserError where the file cannot be
/// written.
void write_preview(const PreviewSheet& sheet, const std::filesystem::path& path);

}  // namespace ufo::data
