#pragma once

#include <array>
#include <cstdint>

#include <ATen/core/Tensor.h>

namespace ufo::nn::cpu {

/// Memory for what a product makes on its way and nobody asks for afterwards: one for each thread that works,
/// not for each tape.
template <class T>
class Scratch {
 public:
  enum Slot { filters, second_filters, filter_gradient, inputs, second_inputs, outputs };

  /// Room for `count` numbers, whatever they are; valid until the slot is asked for again.
  T* at(Slot slot, int64_t count);

 private:
  std::array<at::Tensor, 6> slots_;
};

}  // namespace ufo::nn::cpu
