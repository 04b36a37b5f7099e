#include "cuda/graph.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>

namespace ufo::train::cuda {
namespace {

namespace device_memory = c10::cuda::CUDACachingAllocator;

class TorchGraph final : public Graph {
 public:
  TorchGraph(const c10::MempoolId_t& pool, at::Device device, const std::function<void()>& work) {
    graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      abandon(pool, device);
      throw;
    }
    try {
      graph_.capture_end();
    } catch (...) {
      release(pool, device);
      throw;
    }
  }

  void replay() override { graph_.replay(); }

 private:
  void abandon(const c10::MempoolId_t& pool, at::Device device) {
    try {
      graph_.capture_end();
    } catch (const c10::Error&) {
      release(pool, device);
    }
  }

  /// What capture_end() leaves undone where CUDA refuses what was recorded: without it all later memory would
  /// come from this pool.
  static void release(const c10::MempoolId_t& pool, at::Device device) {
    try {
      device_memory::endAllocateToPool(device.index(), pool);
      device_memory::releasePool(device.index(), pool);
      at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(pool);
      at::getHostAllocator(at::kCUDA)->release_pool(pool);
    } catch (const c10::Error&) {  // capture_end() has come so far itself
    }
  }

  at::cuda::CUDAGraph graph_;
};

/// PyTorch's allocator refuses a recording in a pool whose graphs are all gone, hence a pool is not used
/// again.
class TorchGraphPool final : public GraphPool {
 public:
  explicit TorchGraphPool(at::Device device) : device_(device), pool_(at::cuda::graph_pool_handle()) {}
  ~TorchGraphPool() override {
    try {
      device_memory::emptyCache(pool_);
    } catch (const c10::Error&) {  // a device that is broken has said so elsewhere
    }
  }
  TorchGraphPool(const TorchGraphPool&) = delete;
  TorchGraphPool& operator=(const TorchGraphPool&) = delete;

  std::unique_ptr<Graph> record(const std::function<void()>& work) override {
    return std::make_unique<TorchGraph>(pool_, device_, work);
  }

 private:
  at::Device device_;
  c10::MempoolId_t pool_;
};

}  // namespace

std::unique_ptr<GraphPool> make_graph_pool(at::Device device) {
  return std::make_unique<TorchGraphPool>(device);
}

}  // namespace ufo::train::cuda
