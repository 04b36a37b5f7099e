#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <ufo/base/append_file.h>
#include <ufo/base/error.h>

namespace ufo {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw UserError(path.string() + ": cannot write: " + std::strerror(errno));
}

}  // namespace

AppendFile::AppendFile(const std::filesystem::path& path)
    : path_(path),
      descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)),
      last_flush_(std::chrono::steady_clock::now()) {
  if (descriptor_ < 0) {
    fail(path_);
  }
}

AppendFile::~AppendFile() {
  try {
    flush();
  } catch (const UserError&) {
    // A caller who needs to know has flushed.
  }
  ::close(descriptor_);
}

void AppendFile::append(std::string_view bytes) {
  waiting_ += bytes;
  if (std::chrono::steady_clock::now() - last_flush_ >= std::chrono::seconds(1)) {
    flush();
  }
}

void AppendFile::flush() {
  last_flush_ = std::chrono::steady_clock::now();
  size_t done = 0;
  while (done < waiting_.size()) {
    const ssize_t written = ::write(descriptor_, waiting_.data() + done, waiting_.size() - done);
    if (written < 0 && errno != EINTR) {
      const int code = errno;
      waiting_.erase(0, done);
      errno = code;
      fail(path_);
    }
    done += written > 0 ? static_cast<size_t>(written) : 0;
  }
  waiting_.clear();
}

}  // namespace ufo
