#include "data/image/tiff_directory.h"

namespace ufo::data {

TiffDirectory::TiffDirectory(const Bytes& file) : file_(file), big_(file.has(0, "MM")), start_(0) {
  if (!big_ && !file.has(0, "II")) {
    throw ImageFault("it is no TIFF");
  }
  start_ = read(4, 4);
  for (size_t entry = start_ + 2; entry < next(start_); entry += 12) {
    entries_.try_emplace(static_cast<uint16_t>(read(entry, 2)), entry);  // the first counts, as for libtiff
  }
}

std::vector<uint32_t> TiffDirectory::numbers(uint16_t tag) const {
  const auto found = entries_.find(tag);
  if (found == entries_.end()) {
    return {};
  }
  constexpr uint32_t kByte = 1, kShort = 3, kLong = 4;
  const uint32_t type = read(found->second + 2, 2), count = read(found->second + 4, 4);
  if (type != kByte && type != kShort && type != kLong) {
    throw ImageFault("its tag " + std::to_string(tag) + " holds no plain numbers");
  }
  const size_t size = type == kByte ? 1 : type == kShort ? 2 : 4;
  const size_t value = found->second + 8;
  const size_t at = count * size <= 4 ? value : read(value, 4);
  file_.part(at, count * size);
  std::vector<uint32_t> numbers(count);
  for (size_t i = 0; i < count; ++i) {
    numbers[i] = read(at + i * size, size);
  }
  return numbers;
}

uint32_t TiffDirectory::number(uint16_t tag, uint32_t missing) const {
  const std::vector<uint32_t> all = numbers(tag);
  return all.empty() ? missing : all.front();
}

int64_t TiffDirectory::count(int64_t most) const {
  int64_t count = 0;
  for (size_t directory = start_; directory != 0 && count <= most; ++count) {
    directory = read(next(directory), 4);
  }
  return count;
}

int exif_orientation(const Bytes& exif) {
  constexpr uint16_t kOrientation = 274;
  try {
    const uint32_t value = TiffDirectory(exif).number(kOrientation, 1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  } catch (const ImageFault&) {
    return 1;
  }
}

}  // namespace ufo::data
