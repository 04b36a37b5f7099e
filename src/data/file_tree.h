#pragma once

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

/// A tree of files read where it lies: a folder, or a zip or tar archive that holds that folder.
/// Every path is relative and starts with the folder's own name, so that both forms look alike.
class FileTree {
 public:
  using Wanted = std::function<bool(const std::string& path)>;
  using Visit = std::function<void(const std::string& path, std::vector<unsigned char> bytes)>;

  virtual ~FileTree() = default;

  /// The folder or archive.
  const std::filesystem::path& location() const { return location_; }

  /// All regular files, sorted, each once. Throws DataError for an unreadable tree, and for an archive with a
  /// path that leaves it.
  virtual std::vector<std::string> paths() const = 0;

  /// Gives the content of each wanted file to `visit`, in the order that is fastest to read. Throws DataError
  /// for an unreadable tree, and for a wanted file above kLargestFile.
  virtual void read(const Wanted& wanted, const Visit& visit) const = 0;

  /// A short text that changes whenever the files do: the checksum of a small archive; names, sizes and times
  /// else.
  virtual std::string fingerprint() const = 0;

 protected:
  explicit FileTree(std::filesystem::path location) : location_(std::move(location)) {}

 private:
  std::filesystem::path location_;
};

std::unique_ptr<FileTree> open_folder(const std::filesystem::path& folder);
std::unique_ptr<FileTree> open_archive(const std::filesystem::path& archive);

/// The tree `name` in `root`: the first of name.zip, name.tar, name.tar.gz, name.tgz and the folder `name`
/// that exists. Throws DataError, saying what was needed, where none does; `dataset` begins the message.
std::unique_ptr<FileTree> find_tree(const std::string& dataset, const std::filesystem::path& root,
                                    const std::string& name);

/// The tree that `root` is or holds: an archive; a folder, where it has an entry for which `is_content` holds
/// or no archive; or else the one archive in that folder. Throws DataError, `dataset` beginning the message,
/// where there is no `root` or the folder has several archives.
std::unique_ptr<FileTree> open_root(
    const std::string& dataset, const std::filesystem::path& root,
    const std::function<bool(const std::filesystem::path& entry)>& is_content);

/// Whether `path` may be relative to a folder and stay inside it.
bool stays_inside(const std::string& path);

}  // namespace ufo::data
