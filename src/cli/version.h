#pragma once

#include <string>

namespace ufo::cli {

/// What `--version` prints: the version and revision, LibTorch's version, that of CUDA or why there is none,
/// and the instruction set of the kernels. Throws UserError where UFO_CPU names one that is not here.
std::string version_text();

}  // namespace ufo::cli
