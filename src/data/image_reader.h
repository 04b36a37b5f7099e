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

/// A decoded image and the CRC-32 of the file that it was.
struct ReadImage {
  cv::Mat& pixels;
  uint32_t file_checksum;
};

/// Takes the image number `index`, from several threads and in no fixed order.
using ImageUse = std::function<void(size_t index, const ReadImage& image)>;
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

/// Where I images of H x W pixels and C channels go.
struct ImageTarget {
  at::Tensor images;  ///< [I, H, W, C] uint8
  at::Tensor files;   ///< [I, 3] int64: height and width as stored, and the CRC-32 of the file

  ImageTarget narrow(int64_t first, int64_t count) const {
    return {images.narrow(0, first, count), files.narrow(0, first, count)};
  }
};

/// Decodes the files `paths` (sorted) of `tree` and resizes them by area into `target`, whose images are
/// square; I = paths.size(). Of a file that `use_broken` takes nothing is written. Throws as decode_images
/// does.
void read_images(const FileTree& tree, const std::vector<std::string>& paths, const Placement& placement,
                 const ImageTarget& target, const BrokenUse& use_broken = {});

/// What is to be said of images whose `files` are given as in ImageTarget, made `size` x `size`: "1,200 of
/// 1,300 images have 32x32 pixels and are enlarged: set dataset.image_size=32"; empty where they fit.
std::string line_of_sizes(const at::Tensor& files, int64_t size);

}  // namespace ufo::data
