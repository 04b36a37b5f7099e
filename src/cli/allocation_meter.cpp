#include "cli/allocation_meter.h"

#include <atomic>
#include <memory>
#include <new>

#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

namespace ufo::cli {
namespace {

class CountingAllocator;
CountingAllocator& cpu_meter();

/// Passes every request on to the allocator that it wraps, and keeps count. The number of bytes stands in
/// front of each block, so that data pointer and context are one, as ATen's raw allocations need it.
class CountingAllocator final : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator* wrapped) : wrapped_(wrapped) {}

  c10::DataPtr allocate(size_t bytes) override {
    auto* const start = static_cast<char*>(wrapped_->raw_allocate(kHeader + bytes));
    new (start) int64_t(static_cast<int64_t>(bytes));
    add(static_cast<int64_t>(bytes));
    void* const data = start + kHeader;
    return {data, data, &release, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    wrapped_->copy_data(to, from, bytes);
  }

  int64_t peak() const { return peak_; }
  void forget_peak() { peak_ = alive_.load(); }

 private:
  static constexpr size_t kHeader = 64;  ///< keeps the wrapped allocator's alignment

  static void release(void* data) {
    if (data != nullptr) {
      char* const start = static_cast<char*>(data) - kHeader;
      CountingAllocator& meter = cpu_meter();
      meter.alive_ -= *reinterpret_cast<const int64_t*>(start);
      meter.wrapped_->raw_deallocate(start);
    }
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
