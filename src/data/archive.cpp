#include "file_tree.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>
#include <ufo/base/printable.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

/// Archives up to this size are told apart by their whole content, which reads in under a tenth of a second;
/// larger ones by size, time and samples of it.
constexpr uintmax_t kChecksummedSize = 64 << 20;
constexpr size_t kSamples = 64, kSampleSize = 4096;

using Filter = int (*)(::archive*);

/// What this libarchive unpacks itself. For the others it would run a program of the PATH, chosen by the
/// archive's content.
const std::vector<Filter>& built_in_filters() {
  static const std::vector<Filter> filters = [] {
    std::vector<Filter> found;
    const std::unique_ptr<::archive, decltype(&::archive_read_free)> scratch(::archive_read_new(),
                                                                             &::archive_read_free);
    for (const Filter filter : {&::archive_read_support_filter_gzip, &::archive_read_support_filter_bzip2,
                                &::archive_read_support_filter_xz, &::archive_read_support_filter_lzma,
                                &::archive_read_support_filter_zstd, &::archive_read_support_filter_lz4}) {
      if (filter(scratch.get()) == ARCHIVE_OK) {  // a warning where it needs the program
        found.push_back(filter);
      }
    }
    return found;
  }();
  return filters;
}

/// Makes this thread's names UTF-8 for as long as it lives: libarchive gives no name for an entry that the
/// locale cannot write, and a program without a locale can write ASCII alone.
class Utf8Names {
 public:
  Utf8Names() : utf8_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (utf8_ != nullptr) {
      before_ = ::uselocale(utf8_);
    }
  }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;
  ~Utf8Names() {
    if (utf8_ != nullptr) {
      ::uselocale(before_);
      ::freelocale(utf8_);
    }
  }

 private:
  locale_t utf8_;
  locale_t before_ = nullptr;
};

/// One pass over the entries of an archive.
class Reader {
 public:
  explicit Reader(const fs::path& path) : path_(path), archive_(::archive_read_new(), &::archive_read_free) {
    // The seekable zip reader alone: it needs the directory at the end, so that a truncated archive is
    // refused at once.
    ::archive_read_support_format_zip_seekable(archive_.get());
    ::archive_read_support_format_tar(archive_.get());
    for (const Filter filter : built_in_filters()) {
      filter(archive_.get());
    }
    check(::archive_read_open_filename(archive_.get(), path.c_str(), 1 << 16));
  }

  /// Goes to the next file; false at the end.
  bool next() {
    for (;;) {
      archive_entry* entry = nullptr;
      const int status = ::archive_read_next_header(archive_.get(), &entry);
      if (status == ARCHIVE_EOF) {
        return false;
      }
      check(status);
      ++number_;
      const char* const name = ::archive_entry_pathname(entry);
      if (name == nullptr) {
        throw DataError(path_.string() + ": need names that are UTF-8, the name of entry " +
                        std::to_string(number_) + " cannot be read");
      }
      const auto kind = ::archive_entry_filetype(entry);
      if (kind == AE_IFDIR) {
        continue;
      }
      name_ = name;
      regular_ = kind == AE_IFREG && ::archive_entry_hardlink(entry) == nullptr;
      while (name_.starts_with("./")) {  // as `tar -c .` writes them
        name_.erase(0, 2);
      }
      if (!stays_inside(name_)) {
        throw DataError(path_.string() + ": need paths that stay inside the archive, got " +
                        printable(name_));
      }
      return true;
    }
  }

  const std::string& name() const { return name_; }
  /// Whether the file is more than a link or a device.
  bool is_regular() const { return regular_; }

  std::vector<unsigned char> content() {
    constexpr size_t kBlock = 1 << 14;
    std::vector<unsigned char> bytes;
    for (;;) {
      const size_t size = bytes.size();
      bytes.resize(size + kBlock);
      const la_ssize_t count = ::archive_read_data(archive_.get(), bytes.data() + size, kBlock);
      if (count < 0) {
        fail(" in " + printable(name_));
      }
      bytes.resize(size + static_cast<size_t>(count));
      if (bytes.size() > kLargestFile) {
        throw DataError(path_.string() + ": need files of at most " + std::to_string(kLargestFile >> 20) +
                        " MiB, got more in " + printable(name_));
      }
      if (count == 0) {
        return bytes;
      }
    }
  }

 private:
  void check(int status) const {
    if (status < ARCHIVE_WARN) {
      fail("");
    }
  }

  [[noreturn]] void fail(const std::string& where) const {
    const char* reason = ::archive_error_string(archive_.get());
    throw DataError(path_.string() + ": need a whole zip or tar archive, got: " +
                    (reason != nullptr ? printable(reason) : "unreadable data") + where);
  }

  Utf8Names utf8_names_;
  fs::path path_;
  std::unique_ptr<::archive, decltype(&::archive_read_free)> archive_;
  std::string name_;
  bool regular_ = false;
  int64_t number_ = 0;
};

class Archive : public FileTree {
 public:
  explicit Archive(const fs::path& archive) : FileTree(archive) {}

  TreeListing list() const override {
    TreeListing listing;
    for (Reader reader(location()); reader.next();) {
      if (reader.is_regular()) {
        listing.paths.push_back(reader.name());
      } else {
        listing.passed_over.add("links or devices", reader.name());
      }
    }
    std::vector<std::string>& paths = listing.paths;
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    return listing;
  }

  void read(const Wanted& wanted, const Visit& visit) const override {
    for (Reader reader(location()); reader.next();) {
      if (reader.is_regular() && wanted(reader.name())) {
        visit(reader.name(), reader.content());
      }
    }
  }

  std::string fingerprint() const override {
    const uintmax_t size = fs::file_size(location());
    const std::string start =
        fs::weakly_canonical(location()).string() + ", " + std::to_string(size) + " bytes, ";
    if (size <= kChecksummedSize) {
      return start + "crc32 " + sampled_checksum(location(), 1, size);
    }
    const auto time = fs::last_write_time(location()).time_since_epoch().count();
    return start + "of " + std::to_string(time) + ", sampled crc32 " +
           sampled_checksum(location(), kSamples, kSampleSize);
  }
};

}  // namespace

std::string archive_stem(const std::string& name) {
  std::string small = name;
  std::transform(small.begin(), small.end(), small.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const std::string_view ending :
       {".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4"}) {
    if (small.ends_with(ending)) {
      return name.substr(0, name.size() - ending.size());
    }
  }
  return {};
}

std::unique_ptr<FileTree> open_archive(const fs::path& archive) { return std::make_unique<Archive>(archive); }

}  // namespace ufo::data
