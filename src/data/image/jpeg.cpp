#include "data/image/format.h"
#include "data/image/tiff_directory.h"

namespace ufo::data {
namespace {

bool is_frame(unsigned char marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

}  // namespace

/// JPEG (ITU-T T.81, annex B): segments that begin with 0xff and a marker; after a start of scan come coded
/// data, in which 0xff is followed by 0 or a restart marker. libjpeg fills up with grey what is cut off, and
/// goes over all pixels once a scan.
ImageHeader inspect_jpeg(const Bytes& file) {
  constexpr unsigned char kRestart0 = 0xd0, kRestart7 = 0xd7, kStart = 0xd8, kEnd = 0xd9, kScan = 0xda;
  constexpr unsigned char kExif = 0xe1;
  constexpr std::string_view kExifName("Exif\0\0", 6);
  ImageHeader header;
  int64_t scans = 0;
  bool in_scan = false;
  for (size_t at = 0;;) {
    const unsigned char marker = file[at + 1];
    const bool plain = file[at] != 0xff || marker == 0 || (marker >= kRestart0 && marker <= kRestart7);
    if (in_scan && plain) {
      ++at;
      continue;
    }
    if (file[at] != 0xff) {
      throw ImageFault("it is damaged");
    }
    if (marker == kEnd) {
      return header;
    }
    if (marker == 0xff || marker == kStart) {  // a filling byte
      at += marker == kStart ? 2 : 1;
      continue;
    }
    const Bytes segment = file.from(at + 2);
    if (is_frame(marker)) {
      check_pixels(segment.big(5, 2), segment.big(3, 2));
    } else if (marker == kExif && segment.has(2, kExifName) && header.orientation == 1) {
      header.orientation = exif_orientation(segment.from(2 + kExifName.size()));
    }
    in_scan = marker == kScan;
    if (in_scan && ++scans > kMostScans) {
      throw ImageFault("it has more than " + std::to_string(kMostScans) + " scans");
    }
    at += 2 + segment.big(0, 2);
  }
}

}  // namespace ufo::data
