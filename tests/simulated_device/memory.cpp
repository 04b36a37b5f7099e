#include "memory.h"

#include "graph.h"
#include "notes.h"

#include <cstring>

#include <ATen/ATen.h>
#include <sys/mman.h>

namespace ufo::simulated {
namespace {

constexpr size_t kBytes = size_t{16} << 30;
constexpr size_t kGrain = 512;  // as CUDA's caching allocator rounds
constexpr int kFreed = 0xCB, kPoison = 0xFF;

thread_local int64_t current_pool = Memory::kEager;

char* map(int protection) {
  void* const start = ::mmap(nullptr, kBytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TORCH_CHECK(start != MAP_FAILED, "simulated device: cannot map ", kBytes, " bytes");
  return static_cast<char*>(start);
}

/// Takes a block of just this size out of `free`; nullptr where there is none.
Block* take(std::multimap<size_t, Block*>& free, size_t size) {
  const auto found = free.find(size);
  if (found == free.end()) {
    return nullptr;
  }
  Block* const block = found->second;
  free.erase(found);
  return block;
}

}  // namespace

Memory& Memory::instance() {
  // Tensors may outlive main: it is never destroyed.
  static Memory& memory = *std::unique_ptr<Memory>(new Memory).release();
  return memory;
}

Memory::Memory() : device_(map(PROT_NONE)), host_(map(PROT_READ | PROT_WRITE)) {}

c10::DataPtr Memory::allocate(size_t size) {
  const std::lock_guard lock(mutex_);
  size = std::max<size_t>(1, (size + kGrain - 1) / kGrain) * kGrain;
  Block* block = take(pools_[current_pool].free, size);
  if (block == nullptr) {
    block = take(spare_, size);
    if (block == nullptr) {
      TORCH_CHECK(top_ + size <= kBytes, "simulated device: out of memory");
      block = &blocks_.emplace(top_, Block{.offset = top_, .size = size}).first->second;
      top_ += size;
    }
    reserved_.increase(size);
  }
  block->pool = current_pool;
  block->born = ++births_;
  block->live = true;
  allocated_.increase(size);
  return {device_ + block->offset, block, &release, c10::Device(kType, 0)};
}

void Memory::release(void* context) {
  auto* const block = static_cast<Block*>(context);
  Memory& memory = instance();
  const std::lock_guard lock(memory.mutex_);
  block->live = false;
  memory.allocated_.decrease(block->size);
  if (Recording::current() == nullptr) {  // of a recording nothing stays but the graph
    std::memset(memory.host_ + block->offset, kFreed, block->size);
  }
  memory.pools_[block->pool].free.emplace(block->size, block);
}

void Memory::copy_data(void* to, const void* from, size_t size) const {
  std::memcpy(bytes_of(to), bytes_of(from), size);
}

at::Tensor Memory::twin(const at::Tensor& tensor) {
  const auto options = tensor.options().device(at::kCPU);
  if (tensor.numel() == 0) {
    return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  }
  Block& block = block_of(tensor);
  notes().bytes += static_cast<double>(
      std::min<size_t>(static_cast<size_t>(tensor.numel()) * tensor.itemsize(), tensor.storage().nbytes()));
  use(block);
  return at::from_blob(bytes_of(tensor.const_data_ptr()), tensor.sizes(), tensor.strides(), options);
}

const void* Memory::twin(const void* address) {
  use(block_at(address));
  return bytes_of(address);
}

void Memory::use(const Block& block) const {
  if (!block.live) {
    notes().faults.push_back("a call uses freed memory");
  }
  if (Recording* const recording = Recording::current()) {
    recording->uses(block);
  }
}

Block& Memory::block_at(const void* address) {
  const auto offset = static_cast<size_t>(static_cast<const char*>(address) - device_);
  return std::prev(blocks_.upper_bound(offset))->second;
}

int64_t Memory::make_pool() {
  const std::lock_guard lock(mutex_);
  const int64_t pool = pools_.empty() ? kEager + 1 : pools_.rbegin()->first + 1;
  pools_[pool];
  return pool;
}

void Memory::hold(int64_t pool) {
  TORCH_CHECK(!pools_[pool].let_go,
              "simulated device: use_count > 0 INTERNAL ASSERT FAILED: all graphs of this pool are gone");
  ++pools_[pool].holders;
}

void Memory::let_go(int64_t pool) { pools_[pool].let_go = --pools_[pool].holders == 0; }

void Memory::take_from(int64_t pool) { current_pool = pool; }

void Memory::poison(int64_t pool) {
  for (const auto& [offset, block] : blocks_) {
    if (block.pool == pool) {
      std::memset(host_ + offset, kPoison, block.size);
    }
  }
}

void Memory::emptyCache(c10::MempoolId_t) {
  const std::lock_guard lock(mutex_);
  for (auto& [number, pool] : pools_) {
    if (pool.holders == 0) {
      for (const auto& [size, block] : pool.free) {
        reserved_.decrease(size);
        spare_.emplace(size, block);
      }
      pool.free.clear();
    }
  }
}

c10::CachingDeviceAllocator::DeviceStats Memory::getDeviceStats(c10::DeviceIndex device) {
  check(device);
  c10::CachingDeviceAllocator::DeviceStats stats;
  stats.allocated_bytes[0] = allocated_;
  stats.reserved_bytes[0] = reserved_;
  return stats;
}

void Memory::resetAccumulatedStats(c10::DeviceIndex device) {
  check(device);
  allocated_.reset_accumulated();
  reserved_.reset_accumulated();
}

void Memory::resetPeakStats(c10::DeviceIndex device) {
  check(device);
  allocated_.reset_peak();
  reserved_.reset_peak();
}

void Memory::check(c10::DeviceIndex device) const {
  TORCH_CHECK(initialized_ && device == 0, "simulated device: Invalid device argument ", device);
}

}  // namespace ufo::simulated
