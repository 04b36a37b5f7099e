#include "cli/version.h"

#include "nn/cpu/kernels.h"
#include "train/cuda/library.h"

#include <ufo/run/provenance.h>

namespace ufo::cli {
namespace {

/// "12.8", or "none: " and why there is no computing on CUDA devices here.
std::string cuda_text() {
  const train::cuda::Functions* const functions = train::cuda::functions();
  if (functions == nullptr || !train::cuda::why_outdated().empty()) {
    return "none: " + (functions == nullptr ? train::cuda::why_missing() : train::cuda::why_outdated());
  }
  return train::cuda::version_text(functions->cuda_version);
}

}  // namespace

std::string version_text() {
  const run::Provenance program = run::provenance_of_program(0, at::kCPU, "");
  return "ufo-maml " + program.version + ", revision " + program.revision + "\nLibTorch " + program.libtorch +
         "\nCUDA " + cuda_text() + "\ninstruction set " + nn::cpu::instruction_set();
}

}  // namespace ufo::cli
