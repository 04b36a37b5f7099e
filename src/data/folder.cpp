#include "file_tree.h"

#include <algorithm>
#include <fstream>
#include <system_error>

#include <sys/stat.h>

#include <ufo/base/checksum.h>
#include <ufo/base/error.h>

namespace ufo::data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSampledFiles = 64, kSampleSize = 4096;  // of a folder's fingerprint

class Folder : public FileTree {
 public:
  explicit Folder(const fs::path& folder) : FileTree(folder) {}

  TreeListing list() const override {
    TreeListing listing;
    for (const fs::directory_entry& entry : entries()) {
      if (entry.is_regular_file()) {
        listing.paths.push_back(path_of(entry));
      } else {
        listing.passed_over.add("links to nothing or devices", path_of(entry));
      }
    }
    std::sort(listing.paths.begin(), listing.paths.end());
    return listing;
  }

  void read(const Wanted& wanted, const Visit& visit) const override {
    for (const fs::directory_entry& file : files()) {
      const std::string path = path_of(file);
      if (wanted(path)) {
        visit(path, content_of(file));
      }
    }
  }

  std::string fingerprint() const override {
    std::vector<std::string> lines;
    std::vector<fs::directory_entry> files = this->files();
    std::sort(files.begin(), files.end());
    for (const fs::directory_entry& file : files) {
      struct stat status {
      };  // one call a file, where std::filesystem needs one for the size and one for the time
      if (::stat(file.path().c_str(), &status) != 0) {
        throw DataError(file.path().string() + ": need a readable file, cannot read it");
      }
      lines.push_back(path_of(file) + ' ' + std::to_string(status.st_size) + ' ' +
                      std::to_string(status.st_mtim.tv_sec) + '.' + std::to_string(status.st_mtim.tv_nsec));
    }
    std::sort(lines.begin(), lines.end());
    for (size_t i = 0; i < kSampledFiles && i < files.size(); ++i) {
      const fs::path& file = files[i * files.size() / std::min(kSampledFiles, files.size())].path();
      lines.push_back(sampled_checksum(file, 1, kSampleSize));
    }
    Checksum checksum;
    for (const std::string& line : lines) {
      checksum.add(line.data(), line.size() + 1);  // the zero at the end keeps the lines apart
    }
    return fs::weakly_canonical(location()).string() + ", folder of " + std::to_string(files.size()) +
           " files, crc32 " + checksum.text();
  }

 private:
  /// All that is no folder.
  std::vector<fs::directory_entry> entries() const {
    std::vector<fs::directory_entry> entries;
    try {
      const auto options = fs::directory_options::follow_directory_symlink;
      for (const fs::directory_entry& entry : fs::recursive_directory_iterator(location(), options)) {
        if (!entry.is_directory()) {
          entries.push_back(entry);
        }
      }
    } catch (const fs::filesystem_error& error) {
      throw DataError(location().string() + ": need a readable folder, got: " + error.code().message());
    }
    return entries;
  }

  std::vector<fs::directory_entry> files() const {
    std::vector<fs::directory_entry> files = entries();
    std::erase_if(files, [](const fs::directory_entry& entry) { return !entry.is_regular_file(); });
    return files;
  }

  std::string path_of(const fs::directory_entry& file) const {
    const size_t prefix = location().native().size() - location().filename().native().size();
    return file.path().generic_string().substr(prefix);
  }

  static std::vector<unsigned char> content_of(const fs::directory_entry& file) {
    const uintmax_t size = file.file_size();
    if (size > kLargestFile) {
      throw DataError(file.path().string() + ": need a file of at most " +
                      std::to_string(kLargestFile >> 20) + " MiB, got more");
    }
    std::vector<unsigned char> bytes(size);
    std::ifstream stream(file.path(), std::ios::binary);
    if (!stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()))) {
      throw DataError(file.path().string() + ": need a readable file, cannot read it");
    }
    return bytes;
  }
};

}  // namespace

std::unique_ptr<FileTree> open_folder(const fs::path& folder) { return std::make_unique<Folder>(folder); }

std::unique_ptr<FileTree> find_tree(const std::string& dataset, const fs::path& root,
                                    const std::string& name) {
  std::error_code unreadable;  // is as good as missing
  std::vector<fs::path> archives;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, unreadable)) {
    if (archive_stem(entry.path().filename().string()) == name && entry.is_regular_file(unreadable)) {
      archives.push_back(entry.path());
    }
  }
  if (!archives.empty()) {
    return open_archive(*std::max_element(archives.begin(), archives.end()));  // a .zip before a .tar
  }
  if (fs::is_directory(root / name, unreadable)) {
    return open_folder(root / name);
  }
  throw DataError(dataset + ": need " + name + ".zip or the folder " + name + ", found neither in " +
                  root.string());
}

}  // namespace ufo::data
