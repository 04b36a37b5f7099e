#include "cli/allocation_meter.h"

#include <atomic>
#include <memory>

#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

namespace ufo::cli {
namespace {

/// Passes every request on to the allocator that it wraps, and keeps count.
class CountingAllocator final : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator* wrapped) : wrapped_(wrapped) {}

  c10::DataPtr allocate(size_t bytes) override {
    auto block = std::make_unique<Block>(Block{wrapped_->allocate(bytes), this, static_cast<int64_t>(bytes)});
    add(block->bytes);
    void* data = block->memory.get();
    return {data, block.release(), &release, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    wrapped_->copy_data(to, from, bytes);
  }

  int64_t peak() const { return peak_; }
  void forget_peak() { peak_ = alive_.load(); }

 private:
  struct Block {
    c10::DataPtr memory;
    CountingAllocator* owner;
    int64_t bytes;
  };

  static void release(void* context) {
    const std::unique_ptr<Block> block(static_cast<Block*>(context));
    block->owner->alive_ -= block->bytes;
  }

  void add(int64_t bytes) {
    const int64_t now = alive_ += bytes;
    int64_t seen = peak_;
    while (now > seen && !peak_.compare_exchange_weak(seen, now)) {
    }
  }

  c10::Allocator* wrapped_;
  std::atomic<int64_t> alive_{0};
  std::atomic<int64_t> peak_{0};
};

CountingAllocator& cpu_meter() {
  // ATen keeps the pointer, and tensors may outlive main: it is never destroyed.
  static CountingAllocator& meter = *std::make_unique<CountingAllocator>(c10::GetCPUAllocator()).release();
  return meter;
}

}  // namespace

void start_allocation_meter(at::Device device) {
  if (device.is_cpu()) {
    c10::SetCPUAllocator(&cpu_meter(), UINT8_MAX);
    cpu_meter().forget_peak();
  } else {
    c10::getDeviceAllocator(device.type())->resetPeakStats(device.index());
  }
}

int64_t peak_tensor_bytes(at::Device device) {
  if (device.is_cpu()) {
    return cpu_meter().peak();
  }
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return stats.allocated_bytes[0].peak;  // 0: of all pools together
}

int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * int64_t{1024};
}

}  // namespace ufo::cli
