#include "cuda/library.h"

#include <dlfcn.h>

namespace ufo::train::cuda {
namespace {

constexpr const char* kLibrary = "libufo_cuda.so";

struct Library {
  const Functions* functions = nullptr;
  std::string why_missing, why_outdated;
};

/// "libcudnn.so.9: cannot open shared object file: No such file or directory"
std::string loader_message() {
  const char* message = ::dlerror();
  return message == nullptr ? "unknown error" : message;
}

/// As cuDriverGetVersion gives it; 0 where the driver does not say.
int version_of(void* driver) {
  auto* const get = reinterpret_cast<int (*)(int*)>(::dlsym(driver, "cuDriverGetVersion"));
  int version = 0;
  return get != nullptr && get(&version) == 0 ? version : 0;
}

Library open() {
  void* const driver = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) {
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
  const Functions* const functions = get();
  return {.functions = functions,
          .why_missing = {},
          .why_outdated = why_outdated(version_of(driver), functions->cuda_version)};
}

const Library& library() {
  static const Library opened = open();
  return opened;
}

}  // namespace

const Functions* functions() { return library().functions; }

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

const std::string& why_missing() { return library().why_missing; }

std::string why_outdated(int driver_version, int cuda_version) {
  const int major = cuda_version / 1000;
  if (driver_version == 0 || driver_version / 1000 >= major) {  // within a major version older ones do
    return "";
  }
  constexpr int kMajorOfR580 = 13;
  return "need an NVIDIA driver for CUDA " + std::to_string(major) +
         (major == kMajorOfR580 ? " (R580 or newer)" : "") + ", found one for CUDA " +
         version_text(driver_version) + "; --device cpu does without";
}

const std::string& why_outdated() { return library().why_outdated; }

}  // namespace ufo::train::cuda
