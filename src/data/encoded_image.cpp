#include "encoded_image.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <ufo/base/checksum.h>

namespace ufo::data {
namespace {

using Bytes = std::vector<unsigned char>;
using Fault = std::optional<std::string>;

bool has(const Bytes& bytes, size_t at, std::string_view text) {
  return at + text.size() <= bytes.size() &&
         std::equal(text.begin(), text.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; });
}

uint32_t big_endian(const unsigned char* bytes, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) {
    value = value << 8 | bytes[i];
  }
  return value;
}

uint32_t little_endian(const unsigned char* bytes, int count) {
  uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) {
    value = value << 8 | bytes[i];
  }
  return value;
}

Fault cut() { return "it ends before its image does"; }

Fault fault_of_size(int64_t width, int64_t height) {
  if (width * height <= kMostPixels) {  // both are at most 2^31
    return std::nullopt;
  }
  return "it has " + std::to_string(width) + "x" + std::to_string(height) + " pixels, of at most " +
         std::to_string(kMostPixels / 1'000'000) + " million";
}

/// Damage that libpng would report on standard error: chunks that are cut or fail their checksums.
Fault png_fault(const Bytes& bytes) {
  constexpr size_t kSignature = 8, kChunkOverhead = 12;  // length, type and checksum
  for (size_t at = kSignature; at + kChunkOverhead <= bytes.size();) {
    const unsigned char* const chunk = bytes.data() + at;
    const size_t length = big_endian(chunk, 4);
    if (length > bytes.size() - at - kChunkOverhead) {
      return "";
    }
    Checksum checksum;
    checksum.add(chunk + 4, length + 4);
    if (checksum.value() != big_endian(chunk + 8 + length, 4)) {
      return "";
    }
    if (has(bytes, at + 4, "IEND")) {
      return std::nullopt;
    }
    if (has(bytes, at + 4, "IHDR") && length >= 8) {
      const uint32_t width = big_endian(chunk + 8, 4), height = big_endian(chunk + 12, 4);
      if (width > INT32_MAX || height > INT32_MAX) {
        return "";
      }
      if (const Fault fault = fault_of_size(width, height)) {
        return fault;
      }
    }
    at += length + kChunkOverhead;
  }
  return "";
}

/// JPEG (ITU-T T.81, annex B): segments that begin with 0xff and a marker; after a start of scan come coded
/// data, in which 0xff is followed by 0 or a restart marker. libjpeg fills up with grey what is cut off.
Fault jpeg_fault(const Bytes& bytes) {
  constexpr unsigned char kRestart0 = 0xd0, kRestart7 = 0xd7, kStart = 0xd8, kEnd = 0xd9, kScan = 0xda;
  bool in_scan = false;
  for (size_t at = 0; at + 2 <= bytes.size();) {
    const unsigned char marker = bytes[at + 1];
    const bool plain = bytes[at] != 0xff || marker == 0 || (marker >= kRestart0 && marker <= kRestart7);
    if (in_scan && plain) {
      ++at;
      continue;
    }
    if (bytes[at] != 0xff) {
      return "";
    }
    if (marker == kEnd) {
      return std::nullopt;
    }
    if (marker == 0xff) {  // a filling byte
      ++at;
      continue;
    }
    if (marker == kStart) {
      at += 2;
      continue;
    }
    if (at + 4 > bytes.size()) {
      return cut();
    }
    const bool frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (frame && at + 9 <= bytes.size()) {
      const Fault fault = fault_of_size(big_endian(&bytes[at + 7], 2), big_endian(&bytes[at + 5], 2));
      if (fault) {
        return fault;
      }
    }
    in_scan = marker == kScan;
    at += 2 + big_endian(&bytes[at + 2], 2);
  }
  return cut();
}

/// BMP: how many pixels, how many bits each, and where they start; the rows fill up to 4 bytes.
Fault bmp_fault(const Bytes& bytes) {
  constexpr size_t kStart = 10, kSizes = 18, kBits = 28, kCompression = 30, kHeaders = 54;
  if (bytes.size() < kHeaders) {
    return cut();
  }
  const int64_t width = std::abs(int64_t{static_cast<int32_t>(little_endian(&bytes[kSizes], 4))});
  const int64_t height =  // below 0: top row first
      std::abs(int64_t{static_cast<int32_t>(little_endian(&bytes[kSizes + 4], 4))});
  if (const Fault fault = fault_of_size(width, height)) {
    return fault;
  }
  const int64_t row = (width * little_endian(&bytes[kBits], 2) + 31) / 32 * 4;
  const bool compressed = little_endian(&bytes[kCompression], 4) != 0;
  const int64_t needed = little_endian(&bytes[kStart], 4) + (compressed ? 0 : row * height);
  return static_cast<int64_t>(bytes.size()) < needed ? Fault(cut()) : std::nullopt;
}

/// WebP (RFC 9649): a RIFF file of chunks, the first of which has the size.
Fault webp_fault(const Bytes& bytes) {
  constexpr size_t kFirstChunk = 12, kHeaders = 30;
  if (bytes.size() < kHeaders || little_endian(&bytes[4], 4) + uint64_t{8} > bytes.size()) {
    return cut();
  }
  if (has(bytes, kFirstChunk, "VP8X")) {
    return fault_of_size(little_endian(&bytes[24], 3) + 1, little_endian(&bytes[27], 3) + 1);
  }
  if (has(bytes, kFirstChunk, "VP8L")) {
    const uint32_t sizes = little_endian(&bytes[21], 4);
    return fault_of_size((sizes & 0x3fff) + 1, (sizes >> 14 & 0x3fff) + 1);
  }
  return fault_of_size(little_endian(&bytes[26], 2) & 0x3fff, little_endian(&bytes[28], 2) & 0x3fff);
}

}  // namespace

Fault fault_of(const Bytes& bytes) {
  if (has(bytes, 0, "\x89PNG\r\n\x1a\n")) {
    return png_fault(bytes);
  }
  if (has(bytes, 0, "\xff\xd8\xff")) {
    return jpeg_fault(bytes);
  }
  if (has(bytes, 0, "BM")) {
    return bmp_fault(bytes);
  }
  if (has(bytes, 0, "RIFF") && has(bytes, 8, "WEBP")) {
    return webp_fault(bytes);
  }
  return std::nullopt;
}

}  // namespace ufo::data
