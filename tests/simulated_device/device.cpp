// The device as LibTorch knows it: its streams and events, its hooks, and what was seen of it.

#include "graph.h"
#include "memory.h"
#include "notes.h"
#include "pinned.h"

#include <ATen/Parallel.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace ufo::simulated {
namespace {

const c10::Device kDevice(kType, 0);

class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream getStream(c10::Device) const override { return stream(current_stream()); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return stream(1); }
  c10::Stream exchangeStream(c10::Stream other) const override {
    return stream(std::exchange(current_stream(), other.id()));
  }
  void synchronizeStream(const c10::Stream&) const override { wait(); }
  void synchronizeDevice(c10::DeviceIndex) const override { wait(); }

  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {
    if (*event == nullptr) {
      *event = std::make_unique<Event>().release();
    }
  }
  /// Not yet, when asked for the first time.
  bool queryEvent(void* event) const override {
    if (!std::exchange(static_cast<Event*>(event)->was_asked, true)) {
      return false;
    }
    arrive();
    return true;
  }
  void block(void*, const c10::Stream&) const override {}
  void synchronizeEvent(void*) const override { arrive(); }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override {
    std::unique_ptr<Event>(static_cast<Event*>(event));
  }

 private:
  struct Event {
    bool was_asked = false;
  };

  static c10::StreamId& current_stream() {
    thread_local c10::StreamId id = 0;
    return id;
  }
  static c10::Stream stream(c10::StreamId id) { return c10::Stream(c10::Stream::UNSAFE, kDevice, id); }
  static void wait() {
    note_wait("synchronize");
    arrive();
  }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  void init() const override { Memory::instance().initialize(); }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  bool isPinnedPtr(const void* address) const override { return is_pinned(address); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_allocator(); }
  at::Device getDeviceFromPtr(void*) const override { return kDevice; }
};

bool make_known() {
  static Hooks hooks;
  at::set_num_threads(1);  // the calls are too small to be worth a meeting of threads
  c10::SetAllocator(kType, &Memory::instance());
  c10::register_privateuse1_backend("simulated");
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return true;
}

}  // namespace

Seen& notes() {
  static Seen seen;
  return seen;
}

const Seen& seen() { return notes(); }

void forget() { notes() = {}; }

void note_wait(const std::string& what) {
  notes().waits.push_back(what);
  TORCH_CHECK(Recording::current() == nullptr,
              "simulated device: operation not permitted when stream is capturing: ", what);
}

void start() { [[maybe_unused]] static const bool known = make_known(); }

}  // namespace ufo::simulated
