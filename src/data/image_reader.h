#pragma once

#include "file_tree.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace cv {
class Mat;
}

namespace ufo::data {

/// Decodes the files `paths` (sorted) of `tree` and gives each to `use` with its number in `paths`, from
/// several threads and in no fixed order. `channels` is 1 for grey or 3 for red, green, blue. Throws
/// DataError for a file that is missing or no image.
void decode_images(const FileTree& tree, const std::vector<std::string>& paths, int64_t channels,
                   const std::function<void(size_t index, cv::Mat& image)>& use);

/// Decodes the files `paths` (sorted) of `tree` and resizes them by area into `images`, [I, size, size, C]
/// uint8 with I = paths.size(). `inverted` turns dark strokes on white into bright ones on black. Throws as
/// decode_images does.
void read_images(const FileTree& tree, const std::vector<std::string>& paths, bool inverted,
                 const at::Tensor& images);

}  // namespace ufo::data
