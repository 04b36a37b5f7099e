#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>

namespace ufo {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* action) {
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

/// Opens the temporary file for this writer alone. Another writer may have renamed it away between our
/// opening and our lock: then the descriptor is that writer's finished file, and a new temporary file is
/// needed.
Descriptor open_locked(const std::filesystem::path& temporary) {
  for (;;) {
    Descriptor file(::open(temporary.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (file.get() < 0) {
      fail(temporary, "write");
    }
    while (::flock(file.get(), LOCK_EX) != 0 && errno == EINTR) {
    }  // a file system without locks is no reason not to write
    struct stat ours {
    }, named{};
    if (::fstat(file.get(), &ours) == 0 && ::stat(temporary.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
      return file;
    }
  }
}

void write_all(const Descriptor& file, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      fail(path, "write");
    }
    bytes = bytes.subspan(written > 0 ? static_cast<size_t>(written) : 0);
  }
}

/// Makes the rename itself durable. Some file systems refuse to sync a folder; the content is safe without.
void sync_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const Descriptor handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.get() >= 0) {
    ::fsync(handle.get());
  }
}

/// Has `write` write the temporary file, and gives it the name `path`.
void replace_file(const std::filesystem::path& path,
                  const std::function<void(const Descriptor&, const std::filesystem::path&)>& write) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  const Descriptor file = open_locked(temporary);
  try {
    if (::ftruncate(file.get(), 0) != 0) {
      fail(temporary, "write");
    }
    write(file, temporary);
    if (::fsync(file.get()) != 0) {
      fail(temporary, "sync");
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      fail(path, "write");
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder_of(path);
}

}  // namespace

void write_file_atomically(const std::filesystem::path& path,
                           std::span<const std::span<const std::byte>> parts) {
  replace_file(path, [&](const Descriptor& file, const std::filesystem::path& temporary) {
    for (const auto& part : parts) {
      write_all(file, part, temporary);
    }
  });
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  const std::span<const std::byte> part = std::as_bytes(std::span(content));
  write_file_atomically(path, std::span(&part, 1));
}

void write_file_atomically(const std::filesystem::path& path, size_t size,
                           const std::function<void(std::span<std::byte>)>& fill) {
  replace_file(path, [&](const Descriptor& file, const std::filesystem::path& temporary) {
    // Memory mapped from a hole of the file would end the program where the disk is full.
    errno = ::posix_fallocate(file.get(), 0, static_cast<off_t>(size));
    if (errno != 0) {
      fail(temporary, "write");
    }
    void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (data == MAP_FAILED) {
      fail(temporary, "map");
    }
    const std::unique_ptr<void, std::function<void(void*)>> mapping(data,
                                                                    [&](void*) { ::munmap(data, size); });
    fill({static_cast<std::byte*>(data), size});
    if (::msync(data, size, MS_SYNC) != 0) {
      fail(temporary, "sync");
    }
  });
}

std::string read_text_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || std::filesystem::is_directory(path) || (file.peek() != EOF && !(text << file.rdbuf()))) {
    throw DataError(path.string() + ": " +
                    (std::filesystem::exists(path) ? "cannot read the file" : "no such file"));
  }
  return text.str();
}

}  // namespace ufo
