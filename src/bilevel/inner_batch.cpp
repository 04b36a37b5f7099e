#include "inner_batch.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

namespace ufo::bilevel {

at::Tensor places_of_step(int64_t j, int64_t batch, int64_t images, int64_t ways, at::Device device) {
  const int64_t each = (images + ways - 1) / ways;
  std::vector<at::Tensor> rounds;
  for (int64_t image = 0; image < each; ++image) {
    rounds.push_back(at::arange(image, images, each, at::TensorOptions(device).dtype(at::kLong)));
  }
  const at::Tensor order = at::cat(rounds);
  const int64_t first = j * batch % images, until_the_end = std::min(batch, images - first);
  return at::cat({order.narrow(0, first, until_the_end), order.narrow(0, 0, batch - until_the_end)});
}

}  // namespace ufo::bilevel
