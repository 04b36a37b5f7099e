#include "group.h"

#include "memory.h"

#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace ufo::simulated {
namespace {

class Group final : public c10d::Backend {
 public:
  Group(int64_t rank, int64_t size, c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo)
      : Backend(static_cast<int>(rank), static_cast<int>(size)), gloo_(std::move(gloo)) {}

  const std::string getBackendName() const override { return "simulated"; }

  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors,
                                           const c10d::AllreduceOptions& options) override {
    std::vector<at::Tensor> twins;
    for (const at::Tensor& tensor : tensors) {
      twins.push_back(Memory::instance().twin(tensor));
    }
    return gloo_->allreduce(twins, options);
  }

  void shutdown() override {}

 private:
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo_;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_group(const c10::intrusive_ptr<c10d::Store>& store, int64_t rank,
                                             int64_t size, at::Device, std::chrono::milliseconds timeout) {
  const auto options = c10d::ProcessGroupGloo::Options::create_default(timeout);
  auto gloo =
      c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("simulated", store),
                                                  static_cast<int>(rank), static_cast<int>(size), options);
  return c10::make_intrusive<Group>(rank, size, std::move(gloo));
}

}  // namespace ufo::simulated
