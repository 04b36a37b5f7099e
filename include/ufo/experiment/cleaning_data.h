#pragma once

#include <filesystem>

#include <ufo/experiment/hypercleaning.h>

namespace ufo::experiment {

/// 20 characters of the Omniglot in `root`, drawn by the seed, at 14 x 14 pixels. Twelve drawings of a
/// character are for training, three for validation and five for the test; each is there five times, as it is
/// and shifted by one pixel up, down, left and right: 1,200, 300 and 500 examples. All labels are right.
/// Throws DataError as load_dataset does.
CleaningData omniglot_cleaning_data(const std::filesystem::path& root, uint64_t seed);

/// Numbers of MNIST's training images; the test images are all used.
struct MnistCounts {
  int64_t train = 2000;
  int64_t validation = 1000;
};

/// MNIST from the four IDX files in `folder`, named as they are published, plain or with .gz. The training
/// and the validation set are drawn by the seed from the published training set. All labels are right. Throws
/// DataError where a file is missing or damaged, or the files do not belong together.
CleaningData mnist_cleaning_data(const std::filesystem::path& folder, uint64_t seed,
                                 const MnistCounts& counts = {});

}  // namespace ufo::experiment
