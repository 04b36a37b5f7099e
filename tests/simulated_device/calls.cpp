// Every call of ATen's on the device's tensors: noted, held to CUDA's rules, and run on the CPU's kernel.

#include "graph.h"
#include "memory.h"
#include "notes.h"

#include <set>
#include <sstream>

#include <ATen/ATen.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

namespace ufo::simulated {
namespace {

/// What waits on CUDA because the host must know how large the result is, or what it is.
const std::set<std::string> kWaiting = {"aten::nonzero",
                                        "aten::masked_select",
                                        "aten::_unique2",
                                        "aten::unique_dim",
                                        "aten::unique_consecutive",
                                        "aten::equal",
                                        "aten::repeat_interleave",
                                        "aten::bincount"};

/// All that a graph would hold fast of an argument: shapes, and the values of numbers.
std::string text(const c10::IValue& value) {
  std::ostringstream out;
  if (value.isTensor()) {
    const at::Tensor& tensor = value.toTensor();
    if (!tensor.defined()) {
      return "-";
    }
    out << tensor.scalar_type() << tensor.sizes() << tensor.strides();
  } else if (value.isTensorList() || value.isOptionalTensorList()) {
    for (const c10::IValue& element : value.toListRef()) {
      out << text(element) << ';';
    }
  } else {
    out.precision(17);
    out << value;
  }
  return out.str();
}

/// One call of `op`.
class Call {
 public:
  Call(const c10::OperatorHandle& op, std::string name) : op_(op), name_(std::move(name)) {}

  void run(torch::jit::Stack& stack) {
    notes().calls.push_back(name_);
    if (kWaiting.contains(op_.schema().operator_name().name)) {
      note_wait(name_);
    }
    const size_t count = op_.schema().arguments().size();
    arguments_ = torch::jit::last(stack, count).vec();
    torch::jit::drop(stack, count);
    std::string signature = name_ + "(";
    for (c10::IValue& argument : arguments_) {
      argument = for_cpu(argument);
      signature += text(argument) + ", ";
    }
    signature += constants_ + ")";
    const at::AutoDispatchBelowADInplaceOrView below;
    torch::jit::Stack results = arguments_;
    op_.callBoxed(&results);
    for (size_t i = 0; i < results.size(); ++i) {
      stack.push_back(for_device(results[i], i));
    }
    if (Recording* const recording = Recording::current()) {
      recording->add([op = op_, arguments = arguments_, fresh = fresh_] { again(op, arguments, fresh); },
                     signature);
    }
  }

 private:
  struct Fresh {
    size_t index;
    at::Tensor twin;
  };

  static void again(const c10::OperatorHandle& op, const torch::jit::Stack& arguments,
                    const std::vector<Fresh>& fresh) {
    const at::AutoDispatchBelowADInplaceOrView below;
    torch::jit::Stack results = arguments;
    op.callBoxed(&results);
    for (const Fresh& result : fresh) {
      result.twin.copy_(results[result.index].toTensor());
    }
  }

  c10::IValue for_cpu(const c10::IValue& argument) {
    if (argument.isTensor()) {
      return for_cpu(argument.toTensor());
    }
    if (argument.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& tensor : argument.toTensorVector()) {
        list.push_back(for_cpu(tensor));
      }
      return list;
    }
    if (argument.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& tensor : argument.toOptionalTensorList().vec()) {
        list.push_back(tensor ? std::optional(for_cpu(*tensor)) : std::nullopt);
      }
      return list;
    }
    return argument.isDevice() ? c10::IValue(c10::Device(c10::kCPU)) : argument;
  }

  at::Tensor for_cpu(const at::Tensor& tensor) {
    if (!tensor.defined()) {
      return tensor;
    }
    if (tensor.device().type() == kType) {
      twins_.push_back({tensor, Memory::instance().twin(tensor)});
      return twins_.back().second;
    }
    TORCH_CHECK(tensor.dim() == 0, "simulated device: ", name_, ": a tensor of the host, of ", tensor.sizes(),
                ", among those of the device");
    constants_ += "value=" + text(tensor.item()) + ", ";
    return tensor.clone();  // a launch holds it fast
  }

  c10::IValue for_device(const c10::IValue& result, size_t index) {
    if (!result.isTensor() || !result.toTensor().defined()) {
      TORCH_CHECK(!result.isTensorList() || result.toTensorVector().empty(),
                  "simulated device: a list of results: ", name_);
      return result;
    }
    const at::Tensor& value = result.toTensor();
    at::Tensor resized;
    for (const auto& [tensor, twin] : twins_) {
      if (twin.unsafeGetTensorImpl() == value.unsafeGetTensorImpl()) {
        if (value.sizes() == tensor.sizes()) {
          return tensor;
        }
        resized = tensor;
      }
    }
    const at::Tensor made =
        at::empty_strided(value.sizes(), value.strides(), value.options().device(c10::Device(kType, 0)));
    fresh_.push_back({index, Memory::instance().twin(made)});
    fresh_.back().twin.copy_(value);
    if (!resized.defined()) {
      return made;
    }
    resized.unsafeGetTensorImpl()->set_storage_keep_dtype(made.storage());
    resized.unsafeGetTensorImpl()->set_sizes_and_strides(made.sizes(), made.strides());
    return resized;
  }

  c10::OperatorHandle op_;
  std::string name_;
  torch::jit::Stack arguments_;
  std::string constants_;                                 ///< the host's numbers among the arguments
  std::vector<std::pair<at::Tensor, at::Tensor>> twins_;  ///< of the device, of the host
  std::vector<Fresh> fresh_;                              ///< results that lie in no argument
};

std::string name_of(const c10::OperatorHandle& op) {
  const c10::OperatorName& name = op.schema().operator_name();
  return name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
}

c10::OperatorHandle find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
}

void any(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, name_of(op)).run(*stack); }

// What ATen calls on devices of other makers stands for the general function.
void convolution(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  Call(find("aten::convolution"), "aten::convolution").run(*stack);
}
void convolution_backward(const c10::OperatorHandle&, torch::jit::Stack* stack) {
  constexpr int64_t kBehindBiasSizes = 7;
  stack->insert(stack->end() - kBehindBiasSizes, c10::IValue());
  Call(find("aten::convolution_backward"), "aten::convolution_backward").run(*stack);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&any>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("convolution_overrideable", torch::CppFunction::makeFromBoxedFunction<&convolution>());
  library.impl("convolution_backward_overrideable",
               torch::CppFunction::makeFromBoxedFunction<&convolution_backward>());
}

}  // namespace
}  // namespace ufo::simulated
