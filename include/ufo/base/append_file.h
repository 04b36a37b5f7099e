#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

namespace ufo {

/// A file that is only appended to. Bytes wait in memory until flush(), or until a second has passed since
/// the last.
class AppendFile {
 public:
  /// Opens or creates `path`. Throws UserError where that fails.
  explicit AppendFile(const std::filesystem::path& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Throws UserError where the file cannot be written, as flush() does.
  void append(std::string_view bytes);
  void flush();

 private:
  std::filesystem::path path_;
  int descriptor_;
  std::string waiting_;
  std::chrono::steady_clock::time_point last_flush_;
};

}  // namespace ufo
