#include "data/image/bytes.h"

#include <algorithm>

namespace ufo::data {

bool Bytes::has(size_t at, std::string_view text) const {
  return at <= size() && text.size() <= size() - at &&
         std::equal(text.begin(), text.end(), data_.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; });
}

uint32_t Bytes::big(size_t at, size_t count) const {
  uint32_t value = 0;
  for (const unsigned char byte : part(at, count).data_) {
    value = value << 8 | byte;
  }
  return value;
}

uint32_t Bytes::little(size_t at, size_t count) const {
  const auto bytes = part(at, count).data_;
  uint32_t value = 0;
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    value = value << 8 | *byte;
  }
  return value;
}

Bytes Bytes::part(size_t at, size_t count) const {
  check(at, count);
  return Bytes(data_.subspan(at, count));
}

}  // namespace ufo::data
