#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ufo::data {

/// The most pixels that an image file may have: those of a good camera, and 120 MB when decoded.
inline constexpr int64_t kMostPixels = 40'000'000;

/// Why the encoded PNG, JPEG, BMP or WebP image `bytes` must not be handed to a decoder: decoders are lenient
/// with files that were cut, and unpack any number of pixels. The reason may be empty, where it is plain
/// damage; nothing where no fault was found, and for other formats.
std::optional<std::string> fault_of(const std::vector<unsigned char>& bytes);

}  // namespace ufo::data
