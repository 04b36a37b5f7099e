#pragma once

#include "data/omniglot.h"

#include <filesystem>
#include <string>
#include <vector>

namespace ufo::data {

/// An Omniglot of 3 + 2 characters with 4 drawings of 12 x 12 pixels each, for tests that damage it.
class SmallOmniglot {
 public:
  /// Writes the extracted folders into `root`.
  explicit SmallOmniglot(std::filesystem::path root);

  /// Packs both folders into archives and removes them.
  void pack();

  /// "images_background/Greek/character01/0001_01.png" in the extracted folders.
  std::filesystem::path file(const std::string& path) const { return root_ / path; }

  DatasetOptions options(const std::string& split = "maml") const;
  static OmniglotCounts counts();

  /// Character c, drawing d at row y and column x, as it is on paper: 255 is white.
  static unsigned char pixel(int character, int drawing, int y, int x);

  static constexpr int kSize = 12;

 private:
  std::filesystem::path root_;
};

/// Packs `paths` of `folder` into the zip archive `archive`.
void write_zip(const std::filesystem::path& archive, const std::filesystem::path& folder,
               const std::vector<std::string>& paths);

void write_text(const std::filesystem::path& path, const std::string& text);
std::string read_text(const std::filesystem::path& path);

}  // namespace ufo::data
