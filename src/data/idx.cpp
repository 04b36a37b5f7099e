#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include <ATen/ATen.h>
#include <zlib.h>

#include <ufo/base/error.h>
#include <ufo/data/idx.h>

namespace ufo::data {
namespace {

constexpr unsigned char kUnsignedByte = 0x08;
constexpr int64_t kLargest = int64_t{1} << 32;  ///< bytes; a header that asks for more is damaged

/// A file read front to back; zlib passes over plain files as they are.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : path_(path), file_(::gzopen(path.c_str(), "rb"), &::gzclose) {
    if (!file_) {
      fail("need an IDX file, cannot open it: " + std::string(std::strerror(errno)));
    }
  }

  void read(unsigned char* to, int64_t count, const std::string& what) {
    constexpr int64_t kBlock = 1 << 24;
    for (int64_t done = 0; done < count;) {
      const auto wanted = static_cast<unsigned>(std::min(kBlock, count - done));
      const int got = ::gzread(file_.get(), to + done, wanted);
      if (got <= 0) {
        fail("need " + std::to_string(count) + " bytes of " + what + ", got " + std::to_string(done));
      }
      done += got;
    }
  }

  bool at_end() {
    unsigned char byte;
    return ::gzread(file_.get(), &byte, 1) == 0;
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw DataError(path_.string() + ": " + message);
  }

 private:
  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, decltype(&::gzclose)> file_;
};

}  // namespace

at::Tensor read_idx(const std::filesystem::path& path) {
  Reader reader(path);
  std::array<unsigned char, 4> magic;
  reader.read(magic.data(), magic.size(), "an IDX header");
  if (magic[0] != 0 || magic[1] != 0 || magic[2] != kUnsignedByte || magic[3] == 0) {
    char found[16];
    std::snprintf(found, sizeof found, "%02x%02x%02x%02x", magic[0], magic[1], magic[2], magic[3]);
    reader.fail("need an IDX file of unsigned bytes, which begins 000008, got " + std::string(found));
  }
  std::vector<int64_t> sizes;
  int64_t count = 1, extent = 1;  // without the sizes of 0, whose strides must fit all the same
  for (int dimension = 0; dimension < magic[3]; ++dimension) {
    std::array<unsigned char, 4> size;
    reader.read(size.data(), size.size(), "an IDX header");
    sizes.push_back(int64_t{size[0]} << 24 | int64_t{size[1]} << 16 | int64_t{size[2]} << 8 | size[3]);
    if (sizes.back() > kLargest / extent) {
      reader.fail("need at most 4 GiB, got a header that asks for more");
    }
    count *= sizes.back();
    extent *= std::max<int64_t>(sizes.back(), 1);
  }
  at::Tensor values = at::empty(sizes, at::kByte);
  reader.read(values.mutable_data_ptr<uint8_t>(), count, "content as its header says");
  if (!reader.at_end()) {
    reader.fail("need " + std::to_string(count) + " bytes of content as its header says, got more");
  }
  return values;
}

}  // namespace ufo::data
