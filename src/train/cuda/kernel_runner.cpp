#include "cuda/kernel_runner.h"

#include "cuda/nvrtc.h"

#include <map>
#include <string>
#include <vector>

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

namespace ufo::train::cuda {
namespace {

static_assert(CUDART_VERSION >= 12080, "kernels are loaded by functions that CUDA's runtime has since 12.8");

std::string architecture_of(at::Device device) {
  int major = 0, minor = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index()));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device.index()));
  return "sm_" + std::to_string(major) + std::to_string(minor);
}

class CompiledKernels final : public nn::KernelRunner {
 public:
  CompiledKernels(const char* source, at::Device device)
      : source_(source), architecture_(architecture_of(device)) {
    library(c10::kFloat);
  }

  void launch(const char* name, c10::ScalarType real, std::array<int64_t, 3> grid, int64_t threads,
              void** arguments) override {
    const auto number = [](int64_t n) { return static_cast<unsigned>(n); };
    C10_CUDA_CHECK(cudaLaunchKernel(kernel(name, real),
                                    dim3(number(grid[0]), number(grid[1]), number(grid[2])),
                                    dim3(number(threads)), arguments, 0, c10::cuda::getCurrentCUDAStream()));
  }

 private:
  cudaLibrary_t library(c10::ScalarType real) {
    if (const auto found = libraries_.find(real); found != libraries_.end()) {
      return found->second;
    }
    const std::vector<char> code = nvrtc_.compile(source_, real, architecture_);
    cudaLibrary_t loaded = nullptr;
    C10_CUDA_CHECK(cudaLibraryLoadData(&loaded, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0));
    return libraries_[real] = loaded;
  }

  const void* kernel(const char* name, c10::ScalarType real) {
    const std::pair<std::string, c10::ScalarType> key(name, real);
    if (const auto found = kernels_.find(key); found != kernels_.end()) {
      return static_cast<const void*>(found->second);
    }
    cudaKernel_t kernel = nullptr;
    C10_CUDA_CHECK(cudaLibraryGetKernel(&kernel, library(real), name));
    return static_cast<const void*>(kernels_[key] = kernel);
  }

  const char* source_;
  std::string architecture_;
  Nvrtc nvrtc_{CUDART_VERSION / 1000};
  std::map<c10::ScalarType, cudaLibrary_t> libraries_;  // to the end, as graphs may hold their kernels
  std::map<std::pair<std::string, c10::ScalarType>, cudaKernel_t> kernels_;
};

}  // namespace

std::shared_ptr<nn::KernelRunner> make_kernel_runner(const char* source, at::Device device) {
  return std::make_shared<CompiledKernels>(source, device);
}

}  // namespace ufo::train::cuda
