#include "cuda/nvrtc.h"

#include <stdexcept>

#include <dlfcn.h>

namespace ufo::train::cuda {
namespace {

using Program = struct NvrtcProgram*;
using Size = int(Program, size_t*);
using Text = int(Program, char*);

}  // namespace

Nvrtc::Nvrtc(int major) {
  const std::string name = "libnvrtc.so." + std::to_string(major);
  library_ = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);  // kept open to the end
  if (library_ == nullptr) {
    throw std::runtime_error(::dlerror());
  }
}

template <class Function, class... Arguments>
void Nvrtc::call(const char* name, Arguments... arguments) const {
  auto* const function = reinterpret_cast<Function*>(::dlsym(library_, name));
  if (function == nullptr) {
    throw std::runtime_error(::dlerror());
  }
  if (const int result = function(arguments...); result != 0) {
    throw std::runtime_error(std::string(name) + " gave " + std::to_string(result));
  }
}

std::vector<char> Nvrtc::compile(const char* source, c10::ScalarType real,
                                 const std::string& architecture) const {
  const std::string text = std::string("#define REAL ") + (real == c10::kFloat ? "float" : "double") +
                           "\n#define KERNEL extern \"C\" __global__\n" + source;
  const std::string option = "--gpu-architecture=" + architecture;
  const char* const options[] = {option.c_str(), "-std=c++17"};
  Program program = nullptr;
  size_t size = 0;
  call<int(Program*, const char*, const char*, int, const char* const*, const char* const*)>(
      "nvrtcCreateProgram", &program, text.c_str(), "kernels", 0, nullptr, nullptr);
  try {
    call<int(Program, int, const char* const*)>("nvrtcCompileProgram", program, 2, options);
  } catch (const std::runtime_error& error) {
    call<Size>("nvrtcGetProgramLogSize", program, &size);
    std::string log(size, '\0');
    call<Text>("nvrtcGetProgramLog", program, log.data());
    throw std::runtime_error(std::string(error.what()) + ": " + log.c_str());
  }
  call<Size>("nvrtcGetCUBINSize", program, &size);
  std::vector<char> code(size);
  call<Text>("nvrtcGetCUBIN", program, code.data());
  call<int(Program*)>("nvrtcDestroyProgram", &program);
  return code;
}

}  // namespace ufo::train::cuda
