#pragma once

#include <ATen/core/Tensor.h>

namespace ufo::episode {

/// [T, N*each] int64 on `device`: label n for each image of class n. Waits for no device.
at::Tensor labels(int64_t tasks, int64_t ways, int64_t each, at::Device device);

}  // namespace ufo::episode
