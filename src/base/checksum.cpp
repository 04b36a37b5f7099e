#include <cstdio>

#include <zlib.h>

#include <ufo/base/checksum.h>

namespace ufo {

void Checksum::add(const void* bytes, size_t count) {
  value_ = static_cast<uint32_t>(::crc32_z(value_, static_cast<const unsigned char*>(bytes), count));
}

std::string Checksum::text() const {
  char digits[9];
  std::snprintf(digits, sizeof(digits), "%08x", static_cast<unsigned>(value_));
  return digits;
}

}  // namespace ufo
