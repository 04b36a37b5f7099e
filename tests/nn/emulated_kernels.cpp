#include "emulated_kernels.h"

#include <cmath>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ucontext.h>

namespace ufo::nn {
namespace {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};
Index threadIdx, blockIdx, blockDim;

constexpr size_t kStack = 64 << 10;

/// The threads of a block.
class Fibers {
 public:
  void run(unsigned threads, const std::function<void()>& body) {
    body_ = &body;
    stacks_.resize(std::max(stacks_.size(), size_t{threads} * kStack));
    contexts_.assign(threads, {});
    ended_.assign(threads, false);
    for (unsigned i = 0; i < threads; ++i) {
      ::getcontext(&contexts_[i]);
      contexts_[i].uc_stack.ss_sp = stacks_.data() + i * kStack;
      contexts_[i].uc_stack.ss_size = kStack;
      contexts_[i].uc_link = &scheduler_;
      ::makecontext(&contexts_[i], &Fibers::enter, 0);
    }
    for (bool running = true; running;) {
      running = false;
      for (current_ = 0; current_ < threads; ++current_) {
        if (!ended_[current_]) {
          threadIdx.x = current_;
          ::swapcontext(&scheduler_, &contexts_[current_]);
          running = running || !ended_[current_];
        }
      }
    }
  }

  void wait() { ::swapcontext(&contexts_[current_], &scheduler_); }

 private:
  static void enter();

  const std::function<void()>* body_ = nullptr;
  std::vector<char> stacks_;
  std::vector<ucontext_t> contexts_;
  std::vector<bool> ended_;
  unsigned current_ = 0;
  ucontext_t scheduler_{};
};

Fibers fibers;

void Fibers::enter() {
  (*fibers.body_)();
  fibers.ended_[fibers.current_] = true;
}

void __syncthreads() { fibers.wait(); }
/// Of a block whose threads all call it.
template <class Real>
Real __shfl_xor_sync(unsigned, Real value, int lanes) {
  static Real of_thread[1024];
  of_thread[threadIdx.x] = value;
  fibers.wait();
  const Real result = of_thread[threadIdx.x ^ static_cast<unsigned>(lanes)];
  fibers.wait();
  return result;
}
unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(uint64_t{a} * b >> 32); }

#define __device__
#define __shared__ static
#define __grid_constant__
#define __launch_bounds__(threads)
#define KERNEL static
namespace in_float {
using std::sqrt;
#define REAL float
#include "nn/cuda/kernel_arguments.cuh"
#include "nn/cuda/kernels.cuh"
#undef REAL
#undef CONVOLUTIONS
}  // namespace in_float
namespace in_double {
using std::sqrt;
#define REAL double
#include "nn/cuda/kernel_arguments.cuh"
#include "nn/cuda/kernels.cuh"
#undef REAL
}  // namespace in_double

using Arguments = void**;

template <class... Parameters, size_t... kPlaces>
void call(void (*kernel)(Parameters...), Arguments arguments, std::index_sequence<kPlaces...>) {
  kernel(*static_cast<Parameters*>(arguments[kPlaces])...);
}

template <class... Parameters>
std::function<void(Arguments)> emulated(void (*kernel)(Parameters...)) {
  return [kernel](Arguments arguments) { call(kernel, arguments, std::index_sequence_for<Parameters...>()); };
}

#define KERNELS_OF(type)                                                                                    \
  {                                                                                                         \
    {"convolve_64x64", emulated(type::convolve_64x64)},                                                     \
        {"convolve_32x128", emulated(type::convolve_32x128)},                                               \
        {"convolve_32x32", emulated(type::convolve_32x32)},                                                 \
        {"differentiate_by_input_64x64", emulated(type::differentiate_by_input_64x64)},                     \
        {"differentiate_by_input_32x128", emulated(type::differentiate_by_input_32x128)},                   \
        {"differentiate_by_input_32x32", emulated(type::differentiate_by_input_32x32)},                     \
        {"differentiate_by_weights_64x64", emulated(type::differentiate_by_weights_64x64)},                 \
        {"differentiate_by_weights_32x128", emulated(type::differentiate_by_weights_32x128)},               \
        {"differentiate_by_weights_32x32", emulated(type::differentiate_by_weights_32x32)},                 \
        {"normalize", emulated(type::normalize)}, {"normalize_adjoint", emulated(type::normalize_adjoint)}, \
        {"normalize_tangent", emulated(type::normalize_tangent)},                                           \
        {"normalize_adjoint_tangent", emulated(type::normalize_adjoint_tangent)},                           \
  }

class EmulatedKernels final : public KernelRunner {
 public:
  void launch(const char* name, c10::ScalarType real, std::array<int64_t, 3> grid, int64_t threads,
              void** arguments) override {
    using Kernels = std::map<std::string, std::function<void(Arguments)>>;
    static const Kernels in_floats = KERNELS_OF(in_float), in_doubles = KERNELS_OF(in_double);
    const auto& kernel = (real == c10::ScalarType::Float ? in_floats : in_doubles).at(name);
    blockDim.x = static_cast<unsigned>(threads);
    const auto number = [](int64_t n) { return static_cast<unsigned>(n); };
    for (blockIdx.z = 0; blockIdx.z < number(grid[2]); ++blockIdx.z) {
      for (blockIdx.y = 0; blockIdx.y < number(grid[1]); ++blockIdx.y) {
        for (blockIdx.x = 0; blockIdx.x < number(grid[0]); ++blockIdx.x) {
          fibers.run(number(threads), [&] { kernel(arguments); });
        }
      }
    }
  }
};

}  // namespace

std::shared_ptr<KernelRunner> emulated_kernels() { return std::make_shared<EmulatedKernels>(); }

}  // namespace ufo::nn
