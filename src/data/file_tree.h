#pragma once

#include "passed_over.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ufo::data {

/// The largest file that is read from a tree, in bytes: far more than any image or list needs, and little
/// enough that an archive made to unpack without end does no harm.
inline constexpr uintmax_t kLargestFile = 64 << 20;

/// What a tree holds.
struct TreeListing {
  std::vector<std::string> paths;  ///< of all regular files, sorted, each once
  PassedOver passed_over;          ///< what else there is: links that lead nowhere, devices
};

/// A tree of files read where it lies: a folder, or a zip or tar archive that holds that folder.
/// Every path is relative and starts with the folder's own name, so that both forms look alike.
class FileTree {
 public:
  using Wanted = std::function<bool(const std::string& path)>;
  using Visit = std::function<void(const std::string& path, std::vector<unsigned char> bytes)>;

  virtual ~FileTree() = default;

  /// The folder or archive.
  const std::filesystem::path& location() const { return location_; }

  /// Throws DataError for an unreadable tree, and for an archive with a path that cannot be read or leaves
  /// it.
  virtual TreeListing list() const = 0;

  /// Gives the content of each wanted file to `visit`, in the order that is fastest to read. Throws DataError
  /// for an unreadable tree, and for a wanted file above kLargestFile.
  virtual void read(const Wanted& wanted, const Visit& visit) const = 0;

  /// A short text that changes with the place and whenever the files do: the checksum of a small archive;
  /// size, time and samples of a large one; of a folder names, sizes and times of all files, and samples of
  /// some.
  virtual std::string fingerprint() const = 0;

 protected:
  explicit FileTree(std::filesystem::path location) : location_(std::move(location)) {}

 private:
  std::filesystem::path location_;
};

/// The name of an archive file without its ending, .zip, .tar, .tar.gz and so on in any case; empty for other
/// files.
std::string archive_stem(const std::string& name);

std::unique_ptr<FileTree> open_folder(const std::filesystem::path& folder);
std::unique_ptr<FileTree> open_archive(const std::filesystem::path& archive);

/// The tree `name` in `root`: an archive `name`.zip, .tar and so on, or else the folder `name`. Throws
/// DataError, saying what was needed, where neither exists; `dataset` begins the message.
std::unique_ptr<FileTree> find_tree(const std::string& dataset, const std::filesystem::path& root,
                                    const std::string& name);

/// The tree that `root` is or holds: an archive; a folder, where it has an entry for which `is_content` holds
/// or no archive; or else the one archive in that folder. Throws DataError, `dataset` beginning the message,
/// where there is no `root` or the folder has several archives.
std::unique_ptr<FileTree> open_root(
    const std::string& dataset, const std::filesystem::path& root,
    const std::function<bool(const std::filesystem::path& entry)>& is_content);

/// The CRC-32 of `samples` parts of `size` bytes, evenly spread from the start of `file` to its end; parts of
/// a smaller file overlap or are shorter. Throws DataError where it cannot be read.
std::string sampled_checksum(const std::filesystem::path& file, size_t samples, uintmax_t size);

/// Whether `path` may be relative to a folder and stay inside it.
bool stays_inside(const std::string& path);

}  // namespace ufo::data
