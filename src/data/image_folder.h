#pragma once

#include "classed_images.h"

#include <array>
#include <string>
#include <vector>

namespace ufo::data {

/// The file beside the classes that may say how they are divided.
inline constexpr const char* kSplitsFile = "splits.json";

/// As load_dataset: any images, as <class>/<file>, normalised by mean and deviation of the meta-train split.
Dataset load_image_folder(const DatasetOptions& options);

/// As verify_dataset.
Verification verify_image_folder(const DatasetOptions& options);

/// What a folder itself says of how its classes are divided.
struct FolderDivision {
  std::string list;  ///< the text of splits.json; empty where there is none
  /// The Split of each class, where they lie in folders of splits; else empty.
  std::vector<int64_t> splits{};
};

/// Divides the classes `names`, sorted: as splits.json says, or else as they lie in train, val and test, or
/// else shuffled by `options.split_seed`. Throws DataError where the list is damaged, or missing but asked
/// for, names a class that there is not or one twice, or leaves meta-train without classes; `where` ends the
/// message.
std::array<std::vector<EpisodeClass>, 3> split_image_folder(const std::vector<std::string>& names,
                                                            const FolderDivision& division,
                                                            const DatasetOptions& options,
                                                            const std::string& where);

}  // namespace ufo::data
