#pragma once

#include "cache.h"
#include "file_tree.h"

#include <memory>
#include <string>
#include <vector>

#include <ufo/data/dataset.h>
#include <ufo/data/verification.h>

namespace ufo::data {

/// A file of a tree and the class of its image.
struct ImageFile {
  std::string path;
  int32_t image_class;
};

/// The image files of a tree by class, as a loader lists them.
struct ClassedImages {
  std::shared_ptr<const FileTree> tree;
  std::vector<std::string> class_names;
  std::vector<ImageFile> files;        ///< sorted by path
  std::vector<int64_t> class_offsets;  ///< as in ImageSet; the images of a class are sorted by path
  PassedOver passed_over;
};

/// Sorts `files`, whose paths all differ, and counts the classes.
ClassedImages classify(std::shared_ptr<const FileTree> tree, std::vector<std::string> class_names,
                       std::vector<ImageFile> files);

/// How to decode `images` to `size` x `size` pixels.
ImagePlan plan_images(ClassedImages images, int64_t size, int64_t channels);

/// Appends `line` to the remarks `lines`, unless it is empty.
void add_line(std::vector<std::string>& lines, std::string line);

/// A data set of `cached` images with what is to be said of them; splits, mean and deviation are the
/// loader's.
Dataset dataset_of(CachedImages cached);

/// Sets mean and deviation of `dataset` to those of the pixels / 255 of its meta-train classes, one a
/// channel. A channel that never changes has deviation 1.
void normalize(Dataset& dataset, const std::vector<ChannelSums>& sums);

/// Decodes all of `images` and counts them; what is wrong with single files goes to the findings.
Verification verify_images(const ClassedImages& images, int64_t size, int64_t channels);

}  // namespace ufo::data
