#pragma once

#include "cuda/interface.h"

#include <string>

namespace ufo::train::cuda {

/// libufo_cuda.so, opened at the first call together with LibTorch's CUDA libraries: nothing before it may
/// ask ATen for CUDA, which remembers the answer. nullptr where it cannot be opened.
const Functions* functions();

/// Why functions() is nullptr, and what helps; empty where it is not.
const std::string& why_missing();

}  // namespace ufo::train::cuda
