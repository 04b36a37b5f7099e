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
VerificationReport verify_image_folder(const DatasetOptions& options);

/// Divides the classes `names`, sorted: as the text `list` of splits.json says, or shuffled by
/// `options.split_seed` where it is empty. Throws DataError where the list is damaged or missing but asked
/// for, names a class that there is not or one twice, or leaves meta-train without classes; `where` ends the
/// message.
std::array<std::vector<EpisodeClass>, 3> split_image_folder(const std::vector<std::string>& names,
                                                            const std::string& list,
                                                            const DatasetOptions& options,
                                                            const std::string& where);

}  // namespace ufo::data
