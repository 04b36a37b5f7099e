#include "cli/standard_streams.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace ufo::cli {

void open_closed_descriptors() {
  const auto is_closed = [](int descriptor) { return ::fcntl(descriptor, F_GETFD) < 0; };
  const bool heard = !is_closed(STDERR_FILENO);
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (is_closed(descriptor)) {
      // The lowest free number is taken, which is this one. Writing to what is open to be read fails.
      ::open("/dev/null", heard && descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR);
    }
  }
}

std::FILE* stream_beside(const std::filesystem::path& output) {
  std::error_code error;
  return std::filesystem::equivalent(output, "/dev/stdout", error) ? stderr : stdout;
}

void check_output_was_written() {
  std::cout.flush();
  errno = 0;
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
    throw std::runtime_error(std::string("standard output: cannot write") +
                             (errno != 0 ? std::string(": ") + std::strerror(errno) : ""));
  }
}

}  // namespace ufo::cli
