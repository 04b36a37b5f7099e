#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string_view>

namespace ufo::data {

/// Why an encoded image is not decoded; the message goes behind "cannot decode x.png: ".
class ImageFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The bytes of a file or a part of it. Whatever is read lies within them: else ImageFault is thrown.
class Bytes {
 public:
  explicit Bytes(std::span<const unsigned char> data) : data_(data) {}

  size_t size() const { return data_.size(); }
  unsigned char operator[](size_t at) const {
    check(at, 1);
    return data_[at];
  }

  /// Whether `text` stands at `at`; false where the bytes end before.
  bool has(size_t at, std::string_view text) const;

  /// An unsigned number of `count` bytes, at most 4.
  uint32_t big(size_t at, size_t count) const;
  uint32_t little(size_t at, size_t count) const;

  Bytes part(size_t at, size_t count) const;
  Bytes from(size_t at) const { return part(at, at <= size() ? size() - at : 0); }

  const unsigned char* data() const { return data_.data(); }

 private:
  void check(size_t at, size_t count) const {
    if (at > size() || count > size() - at) {
      throw ImageFault("it ends before its image does");
    }
  }

  std::span<const unsigned char> data_;
};

}  // namespace ufo::data
