#include "emulated_kernels.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
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
#include "nn/cuda/kernel_block_products.cuh"
#include "nn/cuda/kernel_convolutions.cuh"
#include "nn/cuda/kernel_norms.cuh"
#undef REAL
#undef CONVOLUTIONS
}  // namespace in_float
namespace in_double {
using std::sqrt;
#define REAL double
#include "nn/cuda/kernel_arguments.cuh"
#include "nn/cuda/kernel_block_products.cuh"
#include "nn/cuda/kernel_convolutions.cuh"
#include "nn/cuda/kernel_norms.cuh"
#undef REAL
}  // namespace in_double

/// A parameter as the processor can use it.
template <class Parameter>
Parameter found(const Parameter& parameter, const Emulation& emulation) {
  const auto find = [&](const auto* address) {
    using Address = std::remove_const_t<decltype(address)>;
    return address == nullptr ? address : static_cast<Address>(emulation.find(address));
  };
  if constexpr (std::is_pointer_v<Parameter>) {
    return const_cast<Parameter>(find(parameter));
  } else if constexpr (requires { parameter.term; }) {  // Products
    Parameter products = parameter;
    for (auto& term : products.term) {
      term.activations = find(term.activations);
      term.weights = find(term.weights);
    }
    return products;
  } else {
    return parameter;
  }
}

/// The numbers of a parameter, which a recording would hold fast.
template <class Parameter>
std::string numbers(const Parameter& parameter) {
  if constexpr (std::is_arithmetic_v<Parameter>) {
    return std::to_string(parameter) + ", ";
  } else {
    return "";
  }
}

/// A kernel with its arguments, kept by value: it can be run when the launch is long over.
template <class... Parameters, size_t... kPlaces>
std::pair<std::function<void()>, std::string> bound(void (*kernel)(Parameters...), void** arguments,
                                                    const Emulation& emulation,
                                                    std::index_sequence<kPlaces...>) {
  const std::tuple<Parameters...> values(*static_cast<Parameters*>(arguments[kPlaces])...);
  const std::tuple<Parameters...> here(found(std::get<kPlaces>(values), emulation)...);
  return {[kernel, here] { std::apply(kernel, here); }, (numbers(std::get<kPlaces>(values)) + ... + "")};
}

using Bound = std::function<std::pair<std::function<void()>, std::string>(void**, const Emulation&)>;

template <class... Parameters>
Bound emulated(void (*kernel)(Parameters...)) {
  return [kernel](void** arguments, const Emulation& emulation) {
    return bound(kernel, arguments, emulation, std::index_sequence_for<Parameters...>());
  };
}

void run_grid(std::array<int64_t, 3> grid, int64_t threads, const std::function<void()>& kernel) {
  const auto number = [](int64_t n) { return static_cast<unsigned>(n); };
  blockDim.x = number(threads);
  for (blockIdx.z = 0; blockIdx.z < number(grid[2]); ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < number(grid[1]); ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < number(grid[0]); ++blockIdx.x) {
        fibers.run(number(threads), kernel);
      }
    }
  }
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
  explicit EmulatedKernels(Emulation emulation) : emulation_(std::move(emulation)) {}

  void launch(const char* name, c10::ScalarType real, std::array<int64_t, 3> grid, int64_t threads,
              void** arguments) override {
    static const std::map<std::string, Bound> in_floats = KERNELS_OF(in_float),
                                              in_doubles = KERNELS_OF(in_double);
    const auto& kernels = real == c10::ScalarType::Float ? in_floats : in_doubles;
    const auto [kernel, numbers] = kernels.at(name)(arguments, emulation_);
    emulation_.launch([grid, threads, kernel = kernel] { run_grid(grid, threads, kernel); },
                      std::string(name) + "(" + numbers + ")");
  }

 private:
  Emulation emulation_;
};

}  // namespace

std::shared_ptr<KernelRunner> emulated_kernels(Emulation emulation) {
  return std::make_shared<EmulatedKernels>(std::move(emulation));
}

}  // namespace ufo::nn
