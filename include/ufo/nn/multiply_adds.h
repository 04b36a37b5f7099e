#pragma once

#include <cstdint>
#include <vector>

namespace ufo::nn {

/// Multiply-adds of the convolutions and linear layers of a layer or block, for its value.
struct MultiplyAdds {
  int64_t all = 0;
  int64_t of_input = 0;  ///< those of them that multiply the input itself, rather than what was made of it

  /// Of this and of `other`, both of the same input.
  MultiplyAdds beside(const MultiplyAdds& other) const {
    return {all + other.all, of_input + other.of_input};
  }

  /// Of this with `next` behind it.
  MultiplyAdds then(const MultiplyAdds& next) const {
    return {all + next.all, of_input > 0 ? of_input : next.of_input};
  }
};

/// The same of a network, an image. A product for the value is three with the gradients by both its factors,
/// and six more with the tangents of the three, each a sum of two; but nobody asks for the gradient by an
/// input that is given, or that a Hessian product does not move.
struct NetworkMultiplyAdds {
  std::vector<MultiplyAdds> blocks;  ///< from the first on, the head last

  int64_t value() const;
  int64_t gradient() const;  ///< with the value

  /// Of a Hessian product of the head and the last `count` blocks before it, beyond the gradient at the same
  /// point. Throws std::invalid_argument where there are fewer.
  int64_t hessian_product(int64_t count) const;
  int64_t hessian_product() const { return hessian_product(static_cast<int64_t>(blocks.size()) - 1); }
};

}  // namespace ufo::nn
