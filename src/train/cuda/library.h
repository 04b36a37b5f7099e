#pragma once

#include "interface.h"

#include <string>

namespace ufo::train::cuda {

/// libufo_cuda.so, opened at the first call together with LibTorch's CUDA libraries: nothing before it may
/// ask ATen for CUDA, which remembers the answer. nullptr where it cannot be opened.
const Functions* functions();

/// Why functions() is nullptr, and what helps; empty where it is not.
const std::string& why_missing();

/// A version as cuDriverGetVersion gives it, written: 12040 is "12.4".
std::string version_text(int version);

/// What to do about a driver that is older than the library's CUDA, which then finds no device; empty where
/// it is not. Versions are as cuDriverGetVersion gives them: 12040 is CUDA 12.4, 0 unknown.
std::string why_outdated(int driver_version, int cuda_version);

/// The same of this machine's driver; empty where there is none.
const std::string& why_outdated();

}  // namespace ufo::train::cuda
