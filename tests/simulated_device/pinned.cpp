#include "pinned.h"

#include "notes.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include <ATen/ATen.h>

namespace ufo::simulated {
namespace {

std::mutex mutex;
std::map<const char*, size_t> ranges;

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    constexpr size_t kGrain = 64;
    void* const start = std::aligned_alloc(kGrain, (size / kGrain + 1) * kGrain);
    const std::lock_guard lock(mutex);
    ranges[static_cast<const char*>(start)] = size;
    return {start, start, &release, c10::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t size) const override { std::memcpy(to, from, size); }

 private:
  static void release(void* start) {
    const std::lock_guard lock(mutex);
    ranges.erase(static_cast<const char*>(start));
    std::free(start);
  }
};

/// A copy that is under way.
struct Copy {
  at::Tensor host, value;
};
std::vector<Copy> to_host, to_device;

}  // namespace

c10::Allocator& pinned_allocator() {
  static PinnedAllocator allocator;
  return allocator;
}

bool is_pinned(const void* address) {
  const auto* const byte = static_cast<const char*>(address);
  const std::lock_guard lock(mutex);
  const auto above = ranges.upper_bound(byte);
  return above != ranges.begin() && byte < std::prev(above)->first + std::prev(above)->second;
}

void send_to_host(const at::Tensor& to, const at::Tensor& value) { to_host.push_back({to, value.clone()}); }

void send_to_device(const at::Tensor& from) { to_device.push_back({from, from.clone()}); }

void arrive() {
  for (const Copy& copy : to_host) {
    copy.host.copy_(copy.value);
  }
  for (const Copy& copy : to_device) {
    if (!copy.host.equal(copy.value)) {
      notes().faults.push_back("pinned memory was written while the device may still read it");
    }
  }
  to_host.clear();
  to_device.clear();
}

}  // namespace ufo::simulated
