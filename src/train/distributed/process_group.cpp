#include "cuda/library.h"
#include "distributed/heartbeat.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include <netdb.h>

#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <ufo/base/error.h>
#include <ufo/base/logging.h>
#include <ufo/base/reason.h>
#include <ufo/train/distributed/process_group.h>

namespace ufo::train {
namespace {

constexpr std::chrono::minutes kMeetingTime(10);
constexpr std::chrono::seconds kResolvingTime(20);  // a new pod's name may take a moment to be known
constexpr std::chrono::hours kSlowestStep(24);      // deaths are the heartbeat's to find, not a time-out's

using Store = c10::intrusive_ptr<c10d::Store>;
using Backend = c10::intrusive_ptr<c10d::Backend>;

std::string name_of(const ProcessPlace& place) {
  return "rank " + std::to_string(place.rank) + " of " + std::to_string(place.size);
}

void check_address(const ProcessPlace& place) {
  const auto end = std::chrono::steady_clock::now() + kResolvingTime;
  for (;;) {
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(place.address.c_str(), nullptr, nullptr, &found);
    if (failure == 0) {
      ::freeaddrinfo(found);
      return;
    }
    if (std::chrono::steady_clock::now() > end) {
      throw ConfigError("environment: MASTER_ADDR: need the host of rank 0, got \"" + place.address +
                        "\": " + ::gai_strerror(failure));
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

Store open_store(const ProcessPlace& place) {
  check_address(place);
  c10d::TCPStoreOptions options;
  options.port = static_cast<uint16_t>(place.port);
  options.isServer = place.rank == 0 && !place.hosted;
  options.numWorkers = static_cast<size_t>(place.size);
  options.waitWorkers = false;
  options.timeout = kMeetingTime;
  const std::string where = place.address + ":" + std::to_string(place.port);
  try {
    return c10::make_intrusive<c10d::TCPStore>(place.address, options);
  } catch (const std::exception& error) {
    if (options.isServer) {
      throw ConfigError("environment: MASTER_PORT: " + name_of(place) + " cannot listen at " + where + ": " +
                        reason(error));
    }
    throw std::runtime_error(name_of(place) + ": found no other process at " + where +
                             " (MASTER_ADDR, MASTER_PORT): " + reason(error));
  }
}

/// Throws where a process came with another WORLD_SIZE, so that some would wait for ranks that never come.
/// Each says its size and reads those of the others; for one that does not come at all it waits as long as
/// for the meeting.
void compare_sizes(const ProcessPlace& place, const Store& store) {
  const auto key = [](int64_t rank) { return "size/" + std::to_string(rank); };
  const std::string own = std::to_string(place.size);
  store->set(key(place.rank), std::vector<uint8_t>(own.begin(), own.end()));
  for (int64_t rank = 0; rank < place.size; ++rank) {
    std::vector<uint8_t> found;
    try {
      found = store->get(key(rank));
    } catch (const std::exception& error) {
      throw std::runtime_error(name_of(place) + ": rank " + std::to_string(rank) +
                               " did not come, or has gone (WORLD_SIZE): " + reason(error));
    }
    const std::string size(found.begin(), found.end());
    if (size != own) {
      std::this_thread::sleep_for(std::chrono::seconds(1));  // others read the store, which may go with us
      throw ConfigError("environment: WORLD_SIZE: need the same for all processes, got " + own +
                        " for rank " + std::to_string(place.rank) + " and " + size + " for rank " +
                        std::to_string(rank));
    }
  }
}

/// Gloo's process group. Its constructor returns once all processes are connected.
Backend make_gloo_group(const ProcessPlace& place, const Store& store) {
  using c10d::ProcessGroupGloo;
  try {
    const auto options = ProcessGroupGloo::Options::create_default(kMeetingTime);
    return c10::make_intrusive<ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store),
                                                 static_cast<int>(place.rank), static_cast<int>(place.size),
                                                 options);
  } catch (const std::exception& error) {
    throw std::runtime_error(name_of(place) + ": cannot connect to all others: " + reason(error));
  }
}

/// NCCL's process group, for tensors on `device`.
Backend make_nccl_group(const ProcessPlace& place, const Store& store, at::Device device) {
  const auto make = cuda::functions()->make_nccl_group;
  if (make == nullptr) {
    throw ConfigError(
        "device: need NCCL for " + std::to_string(place.size) +
        " processes on CUDA devices, this program was built without it: run scripts/setup --cuda");
  }
  return make(store, place.rank, place.size, device, kSlowestStep);
}

class ProcessGroup final : public Communicator {
 public:
  ProcessGroup(const ProcessPlace& place, at::Device device)
      : place_(place), store_(c10::make_intrusive<c10d::PrefixStore>("ufo-maml", open_store(place))) {
    compare_sizes(place, store_);
    Heartbeat::announce(*store_, place.rank);
    host_group_ = make_gloo_group(place, store_);
    heartbeat_ = std::make_unique<Heartbeat>(store_->clone(), place.rank, place.size, Heartbeat::Options(),
                                             [this](const std::string& who) { end_program(who); });
    check_devices(device);
    if (!device.is_cpu()) {
      device_group_ = make_nccl_group(place, store_, device);
    }
  }

  int64_t rank() const override { return place_.rank; }
  int64_t size() const override { return place_.size; }

  void all_reduce(at::Tensor& values, Reduction reduction) override {
    std::vector<at::Tensor> tensors = {values};
    c10d::AllreduceOptions options;
    options.timeout = kSlowestStep;
    options.reduceOp = reduction == Reduction::sum ? c10d::ReduceOp::SUM : c10d::ReduceOp::MAX;
    finish([&] { return (values.is_cpu() ? host_group_ : device_group_)->allreduce(tensors, options); });
  }

  at::Tensor all_gather(const at::Tensor& values) override {
    std::vector<int64_t> sizes = values.sizes().vec();
    sizes.insert(sizes.begin(), place_.size);
    const at::Tensor all = at::empty(sizes, values.options());
    std::vector<std::vector<at::Tensor>> outputs = {all.unbind()};
    std::vector<at::Tensor> inputs = {values};
    c10d::AllgatherOptions options;
    options.timeout = kSlowestStep;
    finish(
        [&] { return (values.is_cpu() ? host_group_ : device_group_)->allgather(outputs, inputs, options); });
    return all;
  }

  void broadcast(at::Tensor& values) override {
    std::vector<at::Tensor> tensors = {values};
    c10d::BroadcastOptions options;
    options.timeout = kSlowestStep;
    finish([&] { return host_group_->broadcast(tensors, options); });
  }

  void barrier() override {
    c10d::BarrierOptions options;
    options.timeout = kSlowestStep;
    finish([&] { return host_group_->barrier(options); });
  }

  void close() override {
    heartbeat_->leave();
    barrier();  // rank 0 holds the store that the others' heartbeats need
    if (device_group_) {
      device_group_->shutdown();
    }
  }

 private:
  /// Runs one collective to its end.
  template <class Start>
  void finish(const Start& start) {
    try {
      start()->wait();
    } catch (const std::exception& error) {
      throw std::runtime_error(
          name_of(place_) + ": another process has ended, for a reason of its own, or cannot be reached (" +
          reason(error) + ")" + kAdvice);
    }
  }

  /// Where another process is gone, the collective that waits for it may never return.
  [[noreturn]] void end_program(const std::string& who) const {
    log(LogLevel::error, name_of(place_) + ": " + who + kAdvice);
    std::_Exit(1);
  }

  void check_devices(at::Device device) {
    const double cpu = device.is_cpu() ? 1 : 0;
    const bool any = max_over_ranks(*this, cpu) == 1, all = max_over_ranks(*this, -cpu) == -1;
    if (any && !all) {
      throw ConfigError("device: need the same kind for all processes, got " + device.str() + " for " +
                        name_of(place_) + " and another kind elsewhere");
    }
  }

  static constexpr const char* kAdvice = "; the run goes on from its last checkpoint by --resume";

  ProcessPlace place_;
  Store store_;
  Backend host_group_, device_group_;
  std::unique_ptr<Heartbeat> heartbeat_;  // last, so that it stops first
};

}  // namespace

std::unique_ptr<Communicator> meet(const ProcessPlace& place, at::Device device) {
  if (place.size == 1) {
    return std::make_unique<SingleProcess>();
  }
  return std::make_unique<ProcessGroup>(place, device);
}

}  // namespace ufo::train
