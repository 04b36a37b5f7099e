#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ufo/base/file_lock.h>

namespace ufo {
namespace {

/// Whether `path` still names the open file: who held the lock before took the file away.
bool is_there(int file, const std::filesystem::path& path) {
  struct stat ours {
  }, named{};
  return ::fstat(file, &ours) == 0 && ::stat(path.c_str(), &named) == 0 && ours.st_ino == named.st_ino &&
         ours.st_dev == named.st_dev;
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path) : path_(path) {
  for (;;) {
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) {
      return;
    }
    int status = 0;
    while ((status = ::flock(file_, LOCK_EX)) != 0 && errno == EINTR) {
    }
    if (status != 0 || is_there(file_, path)) {
      return;
    }
    ::close(file_);
  }
}

FileLock::~FileLock() {
  if (file_ >= 0) {
    ::unlink(path_.c_str());
    ::close(file_);
  }
}

}  // namespace ufo
