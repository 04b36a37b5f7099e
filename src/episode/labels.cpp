#include "labels.h"

#include <ATen/ATen.h>

namespace ufo::episode {

at::Tensor labels(int64_t tasks, int64_t ways, int64_t each, at::Device device) {
  return at::arange(ways, at::TensorOptions(device).dtype(at::kLong))
      .unsqueeze(1)
      .expand({tasks, ways, each})
      .reshape({tasks, ways * each});
}

}  // namespace ufo::episode
