#pragma once

#include <ATen/ATen.h>

#include <ufo/base/random.h>

namespace ufo::nn {

/// Standard normal numbers, the same on every machine.
inline at::Tensor normal(at::IntArrayRef sizes, uint64_t seed) {
  at::Tensor values = at::empty(sizes, at::kDouble);
  RandomStream random(seed, Purpose::test, 0);
  for (int64_t i = 0; i < values.numel(); ++i) {
    values.mutable_data_ptr<double>()[i] = random.normal();
  }
  return values;
}

/// |a - b| / |b| in the Euclidean norm.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
}

}  // namespace ufo::nn
