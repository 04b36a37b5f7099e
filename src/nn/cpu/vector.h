#pragma once

#include <cstdint>

/// Vectors of the widest registers that this file is compiled for, by the compiler's own vector types:
/// arithmetic, comparison and ?: work on all lanes. UFO_EMULATE_AVX512 gives AVX-512's vectors and register
/// count whatever the registers are.
namespace ufo::nn::cpu {
inline namespace UFO_INSTRUCTION_SET {

#if defined(__AVX512F__) || defined(UFO_EMULATE_AVX512)
inline constexpr int kVectorBytes = 64;
inline constexpr int kRegisters = 32;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
inline constexpr int kRegisters = 16;
#elif defined(__aarch64__)
inline constexpr int kVectorBytes = 16;
inline constexpr int kRegisters = 32;
#else
inline constexpr int kVectorBytes = 16;
inline constexpr int kRegisters = 16;
#endif

template <class T>
struct VectorOf;

template <>
struct VectorOf<float> {
  typedef float type __attribute__((vector_size(kVectorBytes), aligned(sizeof(float)), may_alias));
  typedef int32_t mask __attribute__((vector_size(kVectorBytes)));
  typedef uint8_t bytes __attribute__((vector_size(kVectorBytes / 4), aligned(1), may_alias));
};

template <>
struct VectorOf<double> {
  typedef double type __attribute__((vector_size(kVectorBytes), aligned(sizeof(double)), may_alias));
  typedef int64_t mask __attribute__((vector_size(kVectorBytes)));
  typedef uint8_t bytes __attribute__((vector_size(kVectorBytes / 8), aligned(1), may_alias));
};

template <class T>
using Vector = typename VectorOf<T>::type;
template <class T>
using Mask = typename VectorOf<T>::mask;

template <class T>
inline constexpr int kLanes = kVectorBytes / sizeof(T);

template <class T>
inline Vector<T> load(const T* p) {
  return *reinterpret_cast<const Vector<T>*>(p);
}

template <class T>
inline void store(T* p, Vector<T> v) {
  *reinterpret_cast<Vector<T>*>(p) = v;
}

/// One byte a lane, widened to a mask's integers.
template <class T>
inline Mask<T> load_bytes(const uint8_t* p) {
  return __builtin_convertvector(*reinterpret_cast<const typename VectorOf<T>::bytes*>(p), Mask<T>);
}

template <class T>
inline void store_bytes(uint8_t* p, Mask<T> v) {
  *reinterpret_cast<typename VectorOf<T>::bytes*>(p) =
      __builtin_convertvector(v, typename VectorOf<T>::bytes);
}

template <class T>
inline T sum_lanes(Vector<T> v) {
  T sum = 0;
  for (int i = 0; i < kLanes<T>; ++i) {
    sum += v[i];
  }
  return sum;
}

}  // namespace UFO_INSTRUCTION_SET
}  // namespace ufo::nn::cpu
