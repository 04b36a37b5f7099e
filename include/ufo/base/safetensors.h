#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

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

/// The bytes of that file. Throws std::invalid_argument likewise.
std::string to_safetensors(const TensorFile& file);

/// A tensor of a file that is still to be filled.
struct TensorPlan {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> sizes;
};

/// The same for tensors that `fill` writes straight into the file's pages, where they begin as zeros, so that
/// large ones are never in memory twice. What `fill` throws passes through; there is no file then.
void save_safetensors(const std::filesystem::path& path, const std::vector<TensorPlan>& plans,
                      const std::map<std::string, std::string>& metadata,
                      const std::function<void(const std::map<std::string, at::Tensor>& tensors)>& fill);

/// Reads a safetensors file onto the CPU. Nothing in it is trusted: every length, offset, shape and type is
/// checked, the checksum too where there is one (it is not part of the metadata that comes back).
/// Throws DataError with the path and what is wrong.
TensorFile load_safetensors(const std::filesystem::path& path);

/// The same of the bytes of such a file, which messages call `origin`.
TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::filesystem::path& origin);

/// The same with tensors that lie in the file's pages, read-only, for as long as one of them is held. Of a
/// file above `most_checked` bytes the checksum is not computed, which would read it through.
TensorFile map_safetensors(const std::filesystem::path& path, size_t most_checked);

}  // namespace ufo
