#include "file_tree.h"

#include <algorithm>
#include <fstream>

#include <archive.h>
#include <archive_entry.h>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

/// Archives up to this size are told apart by their content, which reads in under a tenth of a second; larger
/// ones by size and time.
constexpr uintmax_t kChecksummedSize = 64 << 20;

/// One pass over the entries of an archive.
class Reader {
 public:
  explicit Reader(const fs::path& path) : path_(path), archive_(::archive_read_new(), &::archive_read_free) {
    // The seekable zip reader alone: it needs the directory at the end, so that a truncated archive is
    // refused at once.
    ::archive_read_support_format_zip_seekable(archive_.get());
    ::archive_read_support_format_tar(archive_.get());
    ::archive_read_support_filter_all(archive_.get());
    check(::archive_read_open_filename(archive_.get(), path.c_str(), 1 << 16));
  }

  /// Goes to the next regular file; false at the end.
  bool next() {
    for (;;) {
      archive_entry* entry = nullptr;
      const int status = ::archive_read_next_header(archive_.get(), &entry);
      if (status == ARCHIVE_EOF) {
        return false;
      }
      check(status);
      const char* name = ::archive_entry_pathname(entry);
      if (name != nullptr && ::archive_entry_filetype(entry) == AE_IFREG) {
        name_ = name;
        if (name_.starts_with("./")) {  // as `tar -c .` writes them
          name_.erase(0, 2);
        }
        if (!stays_inside(name_)) {
          throw DataError(path_.string() + ": need paths that stay inside the archive, got " + name_);
        }
        return true;
      }
    }
  }

  const std::string& name() const { return name_; }

  std::vector<unsigned char> content() {
    constexpr size_t kBlock = 1 << 14;
    std::vector<unsigned char> bytes;
    for (;;) {
      const size_t size = bytes.size();
      bytes.resize(size + kBlock);
      const la_ssize_t count = ::archive_read_data(archive_.get(), bytes.data() + size, kBlock);
      if (count < 0) {
        fail(" in " + name_);
      }
      bytes.resize(size + static_cast<size_t>(count));
      if (bytes.size() > kLargestFile) {
        throw DataError(path_.string() + ": need files of at most " + std::to_string(kLargestFile >> 20) +
                        " MiB, got more in " + name_);
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
                    (reason != nullptr ? reason : "unreadable data") + where);
  }

  fs::path path_;
  std::unique_ptr<::archive, decltype(&::archive_read_free)> archive_;
  std::string name_;
};

class Archive : public FileTree {
 public:
  explicit Archive(const fs::path& archive) : FileTree(archive) {}

  std::vector<std::string> paths() const override {
    std::vector<std::string> paths;
    for (Reader reader(location()); reader.next();) {
      paths.push_back(reader.name());
    }
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    return paths;
  }

  void read(const Wanted& wanted, const Visit& visit) const override {
    for (Reader reader(location()); reader.next();) {
      if (wanted(reader.name())) {
        visit(reader.name(), reader.content());
      }
    }
  }

  std::string fingerprint() const override {
    const uintmax_t size = fs::file_size(location());
    const std::string start = location().filename().string() + ", " + std::to_string(size) + " bytes, ";
    if (size > kChecksummedSize) {
      return start + "of " + std::to_string(fs::last_write_time(location()).time_since_epoch().count());
    }
    std::vector<char> bytes(size);
    std::ifstream stream(location(), std::ios::binary);
    if (!stream.read(bytes.data(), static_cast<std::streamsize>(size))) {
      throw DataError(location().string() + ": need a readable file, cannot read it");
    }
    Checksum checksum;
    checksum.add(bytes.data(), bytes.size());
    return start + "crc32 " + checksum.text();
  }
};

}  // namespace

std::unique_ptr<FileTree> open_archive(const fs::path& archive) { return std::make_unique<Archive>(archive); }

}  // namespace ufo::data
