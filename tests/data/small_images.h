#pragma once

#include "data/mini_imagenet.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <ufo/base/error.h>

namespace ufo::data {

/// The message of the UserError that `action` throws; "" where it throws none.
std::string error_of(const std::function<void()>& action);

/// Writes an image of height x width pixels, RGB or grey as `channels` says, in the format of the path's
/// ending; images of different `seed` differ. Folders are made.
void write_image(const std::filesystem::path& path, int seed, int height = 12, int width = 12,
                 int channels = 3);

/// Packs all files of `folder` into the zip archive `archive`, with paths relative to `folder`.
void pack_folder(const std::filesystem::path& archive, const std::filesystem::path& folder);

/// A Mini-ImageNet of 2 + 1 + 1 classes with 3 of at most 4 images of 12 x 12 pixels each, for tests that
/// damage it.
class SmallMiniImagenet {
 public:
  /// Writes images/*.png and the three lists into `root`.
  explicit SmallMiniImagenet(std::filesystem::path root);

  std::filesystem::path file(const std::string& path) const { return root_ / path; }
  /// Appends `text` to a list.
  void append(const std::string& list, const std::string& text) const;

  DatasetOptions options() const;
  static MiniImagenetCounts counts() { return {.classes = {2, 1, 1}, .images = 4}; }

  static constexpr int kSize = 12;

 private:
  std::filesystem::path root_;
};

}  // namespace ufo::data
