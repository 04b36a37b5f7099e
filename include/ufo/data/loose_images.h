#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <ufo/data/dataset.h>

namespace ufo::data {

// I images of H x W pixels and C channels. An image file ends as one of PNG, JPEG, BMP, WebP and TIFF, or
// GIF where OpenCV reads it, in any case; all other files, and what has a name that begins with a dot, are
// passed over.

/// How the images of a data set become numbers: decoded as grey (C = 1) or RGB (C = 3), resized by area,
/// inverted or not, and value = (pixel / 255 - mean[channel]) / deviation[channel].
struct ImageForm {
  int64_t size = 28;  ///< H and W
  bool inverted = false;
  std::vector<float> mean;  ///< [C]
  std::vector<float> deviation;
};

/// The form of the images of the data set that `options` names, given Dataset::mean and Dataset::deviation.
/// Throws DataError unless these have a value for each of options.channels and every deviation is above 0.
ImageForm image_form(const DatasetOptions& options, std::vector<float> mean, std::vector<float> deviation);

/// What becomes of image files that cannot be decoded.
enum class BadImages { refuse, skip };

/// The image files of a folder, decoded.
struct LooseImages {
  std::vector<std::string> paths;  ///< relative to the folder, sorted
  at::Tensor pixels;               ///< [I, H, W, C] uint8
  std::string passed_over;         ///< a line that counts and names the files not read; empty where none
  std::string skipped;  ///< a line that counts the bad images and names the first; empty where none
};

/// The same with a class for each.
struct LabelledImages {
  LooseImages images;
  std::vector<std::string> class_names;  ///< sorted, N
  at::Tensor labels;                     ///< [I] int64, indices into class_names
};

/// Reads the images of `folder` and of all folders in it. `what` begins the message of a DataError, thrown
/// where the folder cannot be read, has no images, or has one that cannot be decoded and is not to be
/// skipped.
LooseImages read_loose_images(const std::string& what, const std::filesystem::path& folder,
                              const ImageForm& form, BadImages bad = BadImages::refuse);

/// Reads `folder`, which has one sub-folder a class with that class's images. Throws as read_loose_images
/// does, and for fewer than two classes, a class without images, and images anywhere else.
LabelledImages read_labelled_images(const std::string& what, const std::filesystem::path& folder,
                                    const ImageForm& form, BadImages bad = BadImages::refuse);

/// pixels [I, H, W, C] uint8 as numbers, [I, C, H, W] float32 with channels last in memory.
at::Tensor values_of(const at::Tensor& pixels, const ImageForm& form);

}  // namespace ufo::data
