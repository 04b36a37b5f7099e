#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace ufo {

/// The CRC-32 of the bytes added so far, as zip and PNG use it: it finds damage, not malice.
class Checksum {
 public:
  void add(const void* bytes, size_t count);
  uint32_t value() const { return value_; }

  /// Eight hexadecimal digits.
  std::string text() const;

 private:
  uint32_t value_ = 0;
};

}  // namespace ufo
