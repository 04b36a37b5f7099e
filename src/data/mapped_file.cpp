#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ufo::data {

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return nullptr;
  }
  void* data = MAP_FAILED;
  struct stat status {};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
    data =
        ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  }
  ::close(file);  // the mapping keeps the content
  if (data == MAP_FAILED) {
    return nullptr;
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(data, static_cast<size_t>(status.st_size)));
}

MappedFile::~MappedFile() { ::munmap(data_, size_); }

}  // namespace ufo::data
