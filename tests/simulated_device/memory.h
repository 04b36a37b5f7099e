#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/CachingDeviceAllocator.h>

namespace ufo::simulated {

/// A piece of memory that was given to a tensor.
struct Block {
  size_t offset, size;
  int64_t pool;
  int64_t born;  ///< number of the allocation that has it, or had it last
  bool live;
};

/// The device's memory. Tensors hold addresses in one mapping, which nobody may touch; kernels see the same
/// bytes in another.
class Memory final : public c10::DeviceAllocator {
 public:
  static constexpr int64_t kEager = 0;  ///< the pool of what no graph was recorded for

  static Memory& instance();

  /// The devices are there from the first call on; CUDA's allocator knows of none before.
  void initialize() { initialized_ = true; }

  /// A tensor of the host on the bytes of `tensor`, which counts as a use of it.
  at::Tensor twin(const at::Tensor& tensor);

  /// Where the bytes at `address` are for kernels, which counts as a use of them.
  const void* twin(const void* address);

  /// The block that `tensor` lies in.
  Block& block_of(const at::Tensor& tensor) { return block_at(tensor.storage().data()); }

  /// A pool for graphs; those that are recorded take hold of it one by one. A pool that was held and is not
  /// any more cannot be held again.
  int64_t make_pool();
  void hold(int64_t pool);
  void let_go(int64_t pool);

  /// From here on memory for this thread comes from `pool`.
  void take_from(int64_t pool);

  /// Fills a pool with NaN.
  void poison(int64_t pool);

  /// All bytes, and back to them.
  std::vector<char> snapshot() const { return {host_, host_ + top_}; }
  void restore(const std::vector<char>& snapshot) { std::copy(snapshot.begin(), snapshot.end(), host_); }

  c10::DataPtr allocate(size_t size) override;
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t size) const override;
  bool initialized() override { return initialized_; }
  void emptyCache(c10::MempoolId_t pool) override;
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override;
  void resetAccumulatedStats(c10::DeviceIndex device) override;
  void resetPeakStats(c10::DeviceIndex device) override;

 private:
  struct Pool {
    std::multimap<size_t, Block*> free;
    int64_t holders = 0;
    bool let_go = false;
  };

  Memory();
  static void release(void* block);
  char* bytes_of(const void* address) const { return host_ + (static_cast<const char*>(address) - device_); }
  Block& block_at(const void* address);
  void use(const Block& block) const;
  void check(c10::DeviceIndex device) const;

  char* device_;  ///< where tensors think they are
  char* host_;    ///< where their bytes are
  size_t top_ = 0;
  int64_t births_ = 0;
  bool initialized_ = false;
  std::mutex mutex_;
  std::map<size_t, Block> blocks_;  ///< by offset
  std::map<int64_t, Pool> pools_;
  std::multimap<size_t, Block*> spare_;  ///< of no pool
  c10::CachingAllocator::Stat allocated_, reserved_;
};

}  // namespace ufo::simulated
