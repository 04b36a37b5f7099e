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

/// Whether `path` ends as an image file does: .png, .jpg, .jpeg, .bmp or .webp, in any case.
bool is_image(const std::string& path);

/// Whether `path` leads through what file managers hide or leave behind.
bool is_hidden(const std::string& path);

/// Takes the image number `index`, from several threads and in no fixed order.
using ImageUse = std::function<void(size_t index, cv::Mat& image)>;
/// Takes what is wrong with the file number `index`, a line that names it; called as ImageUse is.
using BrokenUse = std::function<void(size_t index, const std::string& message)>;

/// Decodes the files `paths` (sorted) of `tree` and gives each to `use` with its number in `paths`.
/// `channels` is 1 for grey or 3 for red, green, blue. Throws DataError for a file that is missing, and for
/// one that is no image unless `use_broken` takes it.
void decode_images(const FileTree& tree, const std::vector<std::string>& paths, int64_t channels,
                   const ImageUse& use, const BrokenUse& use_broken = {});

/// How files become the images of a set.
struct Placement {
  bool inverted = false;          ///< dark strokes on white become bright ones on black
  std::vector<int64_t> places{};  ///< the image that each file becomes; empty: its own number
};

/// Decodes the files `paths` (sorted) of `tree` and resizes them by area into `images`, [I, size, size, C]
/// uint8 with I = paths.size(). Throws as decode_images does.
void read_images(const FileTree& tree, const std::vector<std::string>& paths, const Placement& placement,
                 const at::Tensor& images);

}  // namespace ufo::data
