#pragma once

#include "file_tree.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <ufo/data/dataset.h>
#include <ufo/data/verification.h>

namespace ufo::data {

/// How much of Mini-ImageNet there must be (Vinyals et al., arXiv 1606.04080, in the split of Ravi and
/// Larochelle, "Optimization as a model for few-shot learning", ICLR 2017); tests use less.
struct MiniImagenetCounts {
  std::array<int64_t, 3> classes = {64, 16, 20};  ///< by Split
  int64_t images = 600;                           ///< a class, at most
};

/// As load_dataset: colour images, normalised by mean and deviation of the meta-train split. Fewer images a
/// class are accepted, with a note.
Dataset load_mini_imagenet(const DatasetOptions& options, const MiniImagenetCounts& counts = {});

/// As verify_dataset.
Verification verify_mini_imagenet(const DatasetOptions& options, const MiniImagenetCounts& counts = {});

/// The CSV files, by Split.
inline constexpr std::array<const char*, 3> kMiniImagenetLists = {"train.csv", "val.csv", "test.csv"};

/// A row of the CSV files: an image and its class.
struct ListedImage {
  std::string filename;
  int32_t image_class;
};

/// What the CSV files say. Classes are those of train, validation and test in turn, sorted in each.
struct MiniImagenetLists {
  std::string folder;  ///< that holds the CSV files, in the tree; ends with "/" unless it is the tree itself
  std::vector<std::string> class_names;
  std::vector<ListedImage> images;
};

/// Reads train.csv, val.csv and test.csv of `tree`, whose `paths` are given, and checks them against
/// `counts`. Throws DataError where one is missing, has another header or a damaged row, names an image twice
/// or a class in two splits, and where the number of classes is another or a class has too many images.
MiniImagenetLists read_lists(const FileTree& tree, const std::vector<std::string>& paths,
                             const MiniImagenetCounts& counts);

}  // namespace ufo::data
