#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace ufo {

/// The content of a safetensors file (https://huggingface.co/docs/safetensors): named tensors and a map of
/// strings.
struct TensorFile {
  std::map<std::string, at::Tensor> tensors;    ///< float32, float64, int64, int32 or uint8
  std::map<std::string, std::string> metadata;  ///< UTF-8
};

/// Writes `file` atomically: the same content gives the same bytes. Tensors of any device and stride are
/// written contiguous, the widest types first, so that each begins at a multiple of its own size. A checksum
/// of the header and of the tensors goes into the metadata as `ufo_crc32`.
/// Throws std::invalid_argument for another dtype, UserError where the file cannot be written.
void save_safetensors(const std::filesystem::path& path, const TensorFile& file);

/// Reads a safetensors file onto the CPU. Nothing in it is trusted: every length, offset, shape and type is
/// checked, the checksum too where there is one (it is not part of the metadata that comes back).
/// Throws DataError with the path and what is wrong.
TensorFile load_safetensors(const std::filesystem::path& path);

}  // namespace ufo
