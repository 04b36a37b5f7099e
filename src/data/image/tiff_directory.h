#pragma once

#include "data/image/bytes.h"

#include <map>
#include <vector>

namespace ufo::data {

/// The first directory of a TIFF file, which EXIF's data are too (TIFF 6.0, section 2): numbers by tag.
class TiffDirectory {
 public:
  /// Throws ImageFault for what is no TIFF, or is cut.
  explicit TiffDirectory(const Bytes& file);

  /// The numbers of `tag`; empty where it is missing. Throws ImageFault where they are no unsigned integers
  /// of up to 4 bytes.
  std::vector<uint32_t> numbers(uint16_t tag) const;
  /// The first of them; `missing` where there is none.
  uint32_t number(uint16_t tag, uint32_t missing) const;

  /// How many directories the file chains, this one counted, up to `most` + 1.
  int64_t count(int64_t most) const;

 private:
  uint32_t read(size_t at, size_t count) const {
    return big_ ? file_.big(at, count) : file_.little(at, count);
  }
  size_t next(size_t directory) const { return directory + 2 + size_t{12} * read(directory, 2); }

  Bytes file_;
  bool big_;
  size_t start_;
  std::map<uint16_t, size_t> entries_;  // where each begins
};

/// The orientation that EXIF's data say, 1 to 8; 1 where they are damaged or say none.
int exif_orientation(const Bytes& exif);

}  // namespace ufo::data
