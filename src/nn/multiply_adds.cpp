#include <stdexcept>
#include <string>

#include <ufo/nn/multiply_adds.h>

namespace ufo::nn {

int64_t NetworkMultiplyAdds::value() const {
  int64_t sum = 0;
  for (const MultiplyAdds& block : blocks) {
    sum += block.all;
  }
  return sum;
}

int64_t NetworkMultiplyAdds::gradient() const { return 3 * value() - blocks.front().of_input; }

int64_t NetworkMultiplyAdds::hessian_product(int64_t count) const {
  const int64_t depth = static_cast<int64_t>(blocks.size()) - 1;
  if (count < 0 || count > depth) {
    throw std::invalid_argument("multiply-adds: need 0 to " + std::to_string(depth) + " blocks, got " +
                                std::to_string(count));
  }
  int64_t sum = -4 * blocks[depth - count].of_input;
  for (int64_t l = depth - count; l <= depth; ++l) {
    sum += 6 * blocks[l].all;
  }
  return sum;
}

}  // namespace ufo::nn
