// What LibTorch asks of every device: fresh tensors, views, copies, and numbers for the host.

#include "graph.h"
#include "memory.h"
#include "notes.h"
#include "pinned.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

namespace ufo::simulated {
namespace {

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

Memory& memory() {
  at::globalContext().lazyInitDevice(kType);
  return Memory::instance();
}

at::Tensor empty(c10::IntArrayRef sizes, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &memory(), kKeys, c10::dtype_or_default(type), format);
}

at::Tensor empty_strided(c10::IntArrayRef sizes, c10::IntArrayRef strides, std::optional<at::ScalarType> type,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(sizes, strides, &memory(), kKeys, c10::dtype_or_default(type));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  notes().calls.emplace_back("copy");
  const auto on_host = [](const at::Tensor& tensor) {
    return tensor.is_cpu() ? tensor : Memory::instance().twin(tensor);
  };
  const at::Tensor source = on_host(from), target = on_host(to);
  const bool crosses = from.is_cpu() || to.is_cpu();
  const bool is_sent = crosses && non_blocking && is_pinned((from.is_cpu() ? from : to).const_data_ptr());
  if (crosses && !is_sent) {
    note_wait(std::string("a copy ") + (from.is_cpu() ? "from" : "to") + " the host, blocking or not pinned");
  }
  Recording* const recording = Recording::current();
  if (is_sent && to.is_cpu() && recording == nullptr) {
    send_to_host(to, source);
  } else {
    if (is_sent && from.is_cpu() && recording == nullptr) {
      send_to_device(from);
    }
    target.copy_(source);
  }
  if (recording != nullptr) {
    recording->add([source, target] { target.copy_(source); },
                   "copy " + c10::str(target.sizes(), target.strides(), source.strides()));
  }
  return to;
}

at::Scalar number(const at::Tensor& tensor) {
  note_wait("item");
  arrive();
  return Memory::instance().twin(tensor).item();
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  library.impl("view", TORCH_FN(at::native::view));
  library.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  library.impl("_copy_from", copy_from);
  library.impl("_local_scalar_dense", number);
}

}  // namespace
}  // namespace ufo::simulated
