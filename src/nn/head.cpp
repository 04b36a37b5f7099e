#include <stdexcept>

#include <ATen/ATen.h>

#include <ufo/nn/head.h>

namespace ufo::nn {

at::Tensor with_mean_head(const Layout& from, const at::Tensor& parameters, const Layout& to) {
  std::vector<at::Tensor> tensors = from.unpack(parameters);
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (i == to.entries().size() || from.entries()[i].name != to.entries()[i].name) {
      throw std::invalid_argument("with_mean_head: need two layouts of one network, " +
                                  from.entries()[i].name + " is in the first alone");
    }
    const auto& shape = to.entries()[i].shape;
    if (tensors[i].sizes() != at::IntArrayRef(shape) && from.entries()[i].name.starts_with("head.")) {
      tensors[i] =
          tensors[i].mean(0, true).expand_as(at::empty(shape, tensors[i].options().device(at::kMeta)));
    }
  }
  return to.pack(tensors);
}

}  // namespace ufo::nn
