#pragma once

#include "cuda/interface.h"

namespace ufo::train::cuda {

/// A pool of at::cuda::CUDAGraphs.
std::unique_ptr<GraphPool> make_graph_pool(at::Device device);

}  // namespace ufo::train::cuda
