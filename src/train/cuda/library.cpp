#include "cuda/library.h"

#include <dlfcn.h>

namespace ufo::train::cuda {
namespace {

constexpr const char* kLibrary = "libufo_cuda.so";

struct Library {
  const Functions* functions = nullptr;
  std::string why_missing;
};

/// "libcudnn.so.9: cannot open shared object file: No such file or directory"
std::string loader_message() {
  const char* message = ::dlerror();
  return message == nullptr ? "unknown error" : message;
}

Library open() {
  if (::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    return {.why_missing = "no NVIDIA driver here (" + loader_message() + ")"};
  }
  // Found by the program's own search path; kept open to the end.
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const std::string message = loader_message();
    return {.why_missing =
                message.starts_with(kLibrary)
                    ? "this program was built without CUDA: scripts/setup --cuda builds it with (" + message +
                          ")"
                    : "CUDA's libraries are missing: scripts/setup --cuda fetches them (" + message + ")"};
  }
  auto* const get = reinterpret_cast<GetFunctions*>(::dlsym(library, kFunctionsSymbol));
  if (get == nullptr) {
    return {.why_missing = std::string(kLibrary) + " is not of this program: " + loader_message()};
  }
  return {.functions = get()};
}

const Library& library() {
  static const Library opened = open();
  return opened;
}

}  // namespace

const Functions* functions() { return library().functions; }

const std::string& why_missing() { return library().why_missing; }

}  // namespace ufo::train::cuda
