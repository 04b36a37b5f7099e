#include <csignal>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ufo/base/mapped_file.h>

namespace ufo {
namespace {

/// Files up to this size are read at once; of larger ones the pages come as they are asked for, so that a
/// start need not wait for the disk.
constexpr size_t kPopulated = size_t{256} << 20;

void end_at_once(int) {
  constexpr char kLine[] =
      "ufo-maml: a mapped file, such as the cache of images, was cut while it was in use; start again\n";
  (void)!::write(STDERR_FILENO, kLine, sizeof kLine - 1);  // nothing else is safe here
  ::_exit(1);
}

}  // namespace

void end_at_cut_files() { std::signal(SIGBUS, &end_at_once); }

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return nullptr;
  }
  void* data = MAP_FAILED;
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
    const auto size = static_cast<size_t>(status.st_size);
    const int populate = size <= kPopulated ? MAP_POPULATE : 0;
    data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | populate, file, 0);
    if (data != MAP_FAILED && populate == 0) {
      ::madvise(data, size, MADV_WILLNEED);  // advice: it may be refused
    }
  }
  ::close(file);  // the mapping keeps the content
  if (data == MAP_FAILED) {
    return nullptr;
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(data, static_cast<size_t>(status.st_size)));
}

MappedFile::~MappedFile() { ::munmap(data_, size_); }

}  // namespace ufo
