#include "kernels.h"

#include <cstdlib>
#include <string>

#include <ufo/base/error.h>

namespace ufo::nn::cpu {

#define UFO_DECLARE_KERNELS(instruction_set)   \
  namespace instruction_set {                  \
  extern const Kernels<float> float_kernels;   \
  extern const Kernels<double> double_kernels; \
  }

UFO_DECLARE_KERNELS(baseline)
#if defined(__x86_64__)
UFO_DECLARE_KERNELS(avx2)
UFO_DECLARE_KERNELS(avx512)
#endif
#if defined(UFO_EMULATE_AVX512)
UFO_DECLARE_KERNELS(emulated_avx512)
#endif

namespace {

/// The kernels of one instruction set.
struct Set {
  const char* name;
  bool available;
  const Kernels<float>* float_kernels;
  const Kernels<double>* double_kernels;
};

Set choose() {
#if defined(__x86_64__)
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
  const Set sets[] = {
#if defined(__x86_64__)
    {"avx512",
     __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl"),
     &avx512::float_kernels, &avx512::double_kernels},
    {"avx2", has_avx2, &avx2::float_kernels, &avx2::double_kernels},
#endif
    {"baseline", true, &baseline::float_kernels, &baseline::double_kernels},
  };
  const char* asked = std::getenv("UFO_CPU");
#if defined(UFO_EMULATE_AVX512)  // for tests: neither chosen nor offered
  if (has_avx2 && asked != nullptr && std::string(asked) == "emulated_avx512") {
    return {"emulated_avx512", true, &emulated_avx512::float_kernels, &emulated_avx512::double_kernels};
  }
#endif
  std::string available;
  for (const Set& set : sets) {
    if (set.available && (asked == nullptr || std::string(set.name) == asked)) {
      return set;
    }
    available += set.available ? std::string(available.empty() ? "" : ", ") + set.name : "";
  }
  throw UserError("UFO_CPU: need an instruction set of this processor (" + available + "), got '" + asked +
                  "'");
}

const Set& chosen() {
  static const Set set = choose();
  return set;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return *chosen().float_kernels;
}

template <>
const Kernels<double>& kernels<double>() {
  return *chosen().double_kernels;
}

const char* instruction_set() { return chosen().name; }

}  // namespace ufo::nn::cpu
