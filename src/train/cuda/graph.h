#pragma once

#include "cuda/interface.h"

namespace ufo::train::cuda {

/// A graph of at::cuda::CUDAGraph.
std::unique_ptr<Graph> make_graph();

}  // namespace ufo::train::cuda
