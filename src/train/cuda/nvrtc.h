#pragma once

#include <string>
#include <vector>

#include <c10/core/ScalarType.h>

namespace ufo::train::cuda {

/// NVRTC, CUDA's compiler as a library, opened where it is first needed: its header is in no package that the
/// program is built with.
class Nvrtc {
 public:
  /// That of CUDA `major`. Throws std::runtime_error where there is none.
  explicit Nvrtc(int major);

  /// The machine code of `source`, nn::kernel_source(), for numbers of type `real`, float or double, on
  /// devices of a compute capability: `architecture` is "sm_90", say. Throws std::runtime_error with NVRTC's
  /// own words where it refuses.
  std::vector<char> compile(const char* source, c10::ScalarType real, const std::string& architecture) const;

 private:
  template <class Function, class... Arguments>
  void call(const char* name, Arguments... arguments) const;

  void* library_;
};

}  // namespace ufo::train::cuda
