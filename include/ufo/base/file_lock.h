#pragma once

#include <filesystem>

namespace ufo {

/// Keeps other processes that ask for the same path waiting for as long as it lives. The file goes away with
/// it. On a file system without locks, and where the file cannot be made, nobody waits.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  std::filesystem::path path_;
  int file_ = -1;
};

}  // namespace ufo
