#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/text.h>

namespace ufo {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const char* action) {
  const int code = errno;
  throw UserError(path.string() + ": cannot " + action + ": " + std::strerror(code));
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  int get() const { return value_; }

 private:
  int value_;
};

void write_all(const Descriptor& file, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      fail(path, "write");
    }
    bytes = bytes.subspan(written > 0 ? static_cast<size_t>(written) : 0);
  }
}

/// Makes the rename itself durable. Some file systems refuse to sync a folder; the content is safe without.
void sync_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const Descriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() >= 0) {
    ::fsync(handle.get());
  }
}

/// `path` with its last links followed, so that a rename replaces the file and not a link to it.
fs::path follow_links(fs::path path) {
  constexpr int kMostLinks = 40;  // as the kernel's own limit; beyond it, opening the file says what is wrong
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(path, error); ++i) {
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  return path;
}

/// This process's descriptor that `path` names, as /dev/stdout and /dev/fd/3 do; none for other files. Such a
/// name stands for the open file, wherever that has got to, and not for a file that could be replaced.
std::optional<int> own_descriptor(fs::path path) {
  const std::string folder = "/proc/" + std::to_string(::getpid()) + "/fd";
  std::error_code error;
  for (int i = 0; i < 3; ++i, path = path.parent_path() / fs::read_symlink(path, error)) {
    const std::string name = path.filename();
    if (fs::canonical(path.parent_path(), error) == folder && !name.empty() &&
        name.find_first_not_of("0123456789") == std::string::npos) {
      return std::atoi(name.c_str());
    }
    if (!fs::is_symlink(path, error)) {
      break;
    }
  }
  return std::nullopt;
}

/// The file that `path` names where it is to be written through, with nothing to replace.
std::optional<Descriptor> open_to_write_through(const fs::path& path) {
  if (const auto own = own_descriptor(path)) {
    std::fflush(nullptr);  // what was printed before comes first
    Descriptor copy(::fcntl(*own, F_DUPFD_CLOEXEC, 0));
    if (copy.get() < 0) {
      fail(path, "write");
    }
    return copy;
  }
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0 || S_ISREG(found.st_mode)) {
    return std::nullopt;
  }
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) {
    fail(path, "write");
  }
  return file;
}

/// A new file in the folder of `target`, without a name where the file system can do that: a writer that is
/// killed then leaves nothing behind.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : target_(target), file_(open()) {}
  ~TemporaryFile() {
    if (!name_.empty()) {
      ::unlink(name_.c_str());
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const Descriptor& descriptor() const { return file_; }

  /// Gives the file the permissions of the target where there is one, and its name.
  void take_the_targets_place() {
    struct stat old {};
    if (::stat(target_.c_str(), &old) == 0) {
      [[maybe_unused]] const int only_root_can = ::fchown(file_.get(), old.st_uid, old.st_gid);
      ::fchmod(file_.get(), old.st_mode & 07777);
    }
    if (::fsync(file_.get()) != 0) {
      fail(target_, "sync");
    }
    while (name_.empty()) {
      const fs::path name = random_name();
      const std::string open_file = "/proc/self/fd/" + std::to_string(file_.get());
      if (::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
        name_ = name;
      } else if (errno != EEXIST) {
        fail(target_, "write");
      }
    }
    if (::rename(name_.c_str(), target_.c_str()) != 0) {
      fail(target_, "write");
    }
    name_.clear();
  }

 private:
  fs::path random_name() const {
    fs::path name = target_;
    return name += text(".%08x.tmp", std::random_device()());
  }

  Descriptor open() {
    const fs::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
    Descriptor nameless(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
    if (nameless.get() >= 0 && ::access("/proc/self/fd", X_OK) == 0) {
      return nameless;
    }
    for (;;) {
      const fs::path name = random_name();
      Descriptor named(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (named.get() >= 0) {
        name_ = name;
        return named;
      }
      if (errno != EEXIST) {
        fail(target_, "write");
      }
    }
  }

  fs::path target_, name_;  ///< the name is empty while there is none
  Descriptor file_;
};

/// Has `write` write a temporary file, and gives it the name `path`.
void replace_file(const fs::path& path, const std::function<void(const Descriptor&)>& write) {
  const fs::path target = follow_links(path);
  if (::access(target.c_str(), F_OK) == 0 && ::access(target.c_str(), W_OK) != 0) {
    fail(path, "write");
  }
  TemporaryFile file(target);
  write(file.descriptor());
  file.take_the_targets_place();
  sync_folder_of(target);
}

}  // namespace

void write_file_atomically(const fs::path& path, std::span<const std::span<const std::byte>> parts) {
  const auto write = [&](const Descriptor& file) {
    for (const auto& part : parts) {
      write_all(file, part, path);
    }
  };
  if (const auto open_file = open_to_write_through(path)) {
    write(*open_file);
  } else {
    replace_file(path, write);
  }
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  const std::span<const std::byte> part = std::as_bytes(std::span(content));
  write_file_atomically(path, std::span(&part, 1));
}

void write_file_atomically(const fs::path& path, size_t size,
                           const std::function<void(std::span<std::byte>)>& fill) {
  if (const auto open_file = open_to_write_through(path)) {
    std::vector<std::byte> content(size);
    fill(content);
    write_all(*open_file, content, path);
    return;
  }
  replace_file(path, [&](const Descriptor& file) {
    // Memory mapped from a hole of the file would end the program where the disk is full.
    errno = ::posix_fallocate(file.get(), 0, static_cast<off_t>(size));
    if (errno != 0) {
      fail(path, "write");
    }
    void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (data == MAP_FAILED) {
      fail(path, "map");
    }
    const std::unique_ptr<void, std::function<void(void*)>> mapping(data,
                                                                    [&](void*) { ::munmap(data, size); });
    fill({static_cast<std::byte*>(data), size});
    if (::msync(data, size, MS_SYNC) != 0) {
      fail(path, "sync");
    }
  });
}

std::string read_text_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  std::error_code error;
  if (!file || fs::is_directory(path, error) || (file.peek() != EOF && !(text << file.rdbuf())) ||
      file.bad()) {
    const bool missing = fs::status(path, error).type() == fs::file_type::not_found;
    throw DataError(path.string() + ": " + (missing ? "no such file" : "cannot read the file"));
  }
  return text.str();
}

}  // namespace ufo
