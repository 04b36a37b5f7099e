#include "file_tree.h"

#include <algorithm>
#include <fstream>
#include <system_error>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>

namespace ufo::data {

namespace fs = std::filesystem;

std::string sampled_checksum(const fs::path& file, size_t samples, uintmax_t size) {
  std::ifstream stream(file, std::ios::binary);
  std::error_code error;
  const uintmax_t all = fs::file_size(file, error);
  const auto part = std::min(size, all);
  std::vector<char> bytes(part);
  Checksum checksum;
  for (size_t i = 0; i < samples && !error; ++i) {
    const uintmax_t start = samples > 1 ? (all - part) / (samples - 1) * i : 0;
    stream.seekg(static_cast<std::streamoff>(i > 0 && i + 1 == samples ? all - part : start));
    if (!stream.read(bytes.data(), static_cast<std::streamsize>(part))) {
      break;
    }
    checksum.add(bytes.data(), bytes.size());
  }
  if (error || !stream) {
    throw DataError(file.string() + ": need a readable file, cannot read it");
  }
  return checksum.text();
}

bool stays_inside(const std::string& path) {
  const fs::path parts(path);
  return !path.empty() && !parts.has_root_path() &&
         std::find(parts.begin(), parts.end(), "..") == parts.end();
}

std::unique_ptr<FileTree> open_root(const std::string& dataset, const fs::path& root,
                                    const std::function<bool(const fs::path& entry)>& is_content) {
  std::error_code unreadable;
  const fs::path place = fs::weakly_canonical(root, unreadable);
  if (fs::is_regular_file(place, unreadable)) {
    return open_archive(place);
  }
  std::vector<fs::path> archives;
  bool content = false;
  for (const auto& entry : fs::directory_iterator(place, unreadable)) {
    content = content || is_content(entry.path());
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(".") && !archive_stem(name).empty() && entry.is_regular_file(unreadable)) {
      archives.push_back(entry.path());
    }
  }
  if (unreadable) {
    throw DataError(dataset + ": need a folder or an archive of images, found none at " + root.string() +
                    " (" + unreadable.message() + ")");
  }
  if (content || archives.empty()) {
    return open_folder(place);
  }
  if (archives.size() > 1) {
    std::sort(archives.begin(), archives.end());
    throw DataError(dataset + ": need one archive in " + root.string() + ", found " +
                    std::to_string(archives.size()) + ", as " + archives[0].filename().string() + " and " +
                    archives[1].filename().string() + "; name one as dataset.root");
  }
  return open_archive(archives.front());
}

}  // namespace ufo::data
