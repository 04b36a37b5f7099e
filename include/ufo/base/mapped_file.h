#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

namespace ufo {

/// A whole file in memory, read-only, for as long as it is held.
class MappedFile {
 public:
  /// Null where the file is missing, empty, or cannot be mapped.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::byte* data() const { return static_cast<const std::byte*>(data_); }
  size_t size() const { return size_; }

 private:
  MappedFile(void* data, size_t size) : data_(data), size_(size) {}

  void* data_;
  size_t size_;
};

/// Has the program end with status 1 and a line on standard error where a mapped file, such as the cache of
/// images, was cut while it is in use: the system says so by SIGBUS, and the pages cannot be had back.
void end_at_cut_files();

}  // namespace ufo
