#include "file_tree.h"

#include <algorithm>
#include <array>
#include <system_error>

#include <ufo/base/error.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

bool is_archive(const fs::directory_entry& entry) {
  constexpr std::array<const char*, 4> kEndings = {".zip", ".tar", ".tar.gz", ".tgz"};
  const std::string name = entry.path().filename().string();
  std::error_code unreadable;
  return !name.starts_with(".") && entry.is_regular_file(unreadable) &&
         std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const char* ending) { return name.ends_with(ending); });
}

}  // namespace

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
    if (is_archive(entry)) {
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
