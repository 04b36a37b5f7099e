#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

namespace ufo {

/// The metadata key of our checksum. Files without it are read too.
inline constexpr const char* kChecksumKey = "ufo_crc32";

/// A dtype's name in the file and in LibTorch.
struct TensorKind {
  const char* name;
  at::ScalarType type;
};
inline constexpr std::array kTensorKinds = {TensorKind{"F64", at::kDouble}, TensorKind{"I64", at::kLong},
                                            TensorKind{"F32", at::kFloat}, TensorKind{"I32", at::kInt},
                                            TensorKind{"U8", at::kByte}};

/// CRC-32, as eight hexadecimal digits, of the header without its checksum, in its canonical text (keys
/// sorted, no spaces), and of the payload.
std::string safetensors_checksum(nlohmann::json header, std::span<const std::span<const std::byte>> payload);

}  // namespace ufo
