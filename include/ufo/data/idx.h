#pragma once

#include <filesystem>

#include <ATen/core/Tensor.h>

namespace ufo::data {

/// Reads an IDX file of unsigned bytes, the format that MNIST is published in, plain or gzipped: a uint8
/// tensor of the sizes in its header. Throws DataError where the file cannot be read, is of another
/// type, or is not as long as its header says.
at::Tensor read_idx(const std::filesystem::path& file);

}  // namespace ufo::data
