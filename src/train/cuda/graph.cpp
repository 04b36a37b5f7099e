#include "cuda/graph.h"

#include <ATen/cuda/CUDAGraph.h>

namespace ufo::train::cuda {
namespace {

/// All graphs take their memory from one pool: they run one after the other on one stream, and what one
/// leaves for others lies in tensors from outside.
class TorchGraph final : public Graph {
 public:
  void begin() override { graph_.capture_begin(pool(), cudaStreamCaptureModeThreadLocal); }
  void end() override { graph_.capture_end(); }
  void replay() override { graph_.replay(); }

 private:
  static c10::MempoolId_t pool() {
    static const c10::MempoolId_t shared = at::cuda::graph_pool_handle();
    return shared;
  }

  at::cuda::CUDAGraph graph_;
};

}  // namespace

std::unique_ptr<Graph> make_graph() { return std::make_unique<TorchGraph>(); }

}  // namespace ufo::train::cuda
