#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ufo::data {

/// Files that were there and not taken, counted by what they are, so that none goes missing without a word.
class PassedOver {
 public:
  /// Counts the file `path` as one of the kind `what`, such as "hidden".
  void add(const std::string& what, const std::string& path);
  void add(const PassedOver& others);

  /// "passed over 24 files: 20 .txt (as cat/1.txt), 4 hidden (as .DS_Store)"; empty where there are none.
  std::string line() const;

 private:
  struct Kind {
    int64_t files = 0;
    std::string example;  // the first in order
  };
  std::map<std::string, Kind> kinds_;
};

/// The checksums that data_scripts leave beside the images.
inline constexpr const char* kManifest = "manifest.sha256";

/// Whether `path` leads through what file managers hide or leave behind.
bool is_hidden(const std::string& path);

/// What a file is that is no image to be taken: "hidden", ".gif, which this OpenCV does not read", ".txt".
std::string kind_of_other(const std::string& path);

}  // namespace ufo::data
