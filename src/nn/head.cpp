#include <stdexcept>

#include <ATen/ATen.h>

#include <ufo/nn/head.h>

namespace ufo::nn {

at::Tensor with_mean_head(const Layout& from, const at::Tensor& parameters, const Layout& to) {
  std::vector<at::Tensor> tensors = from.unpack(parameters);
  for (size_t i = 0; i < tensors.size() && i < to.entries().size(); ++i) {
    const ParameterEntry &before = from.entries()[i], &after = to.entries()[i];
    const bool same_columns =  // never of a scalar, which has no rows
        !before.shape.empty() && before.shape.size() == after.shape.size() &&
        std::equal(before.shape.begin() + 1, before.shape.end(), after.shape.begin() + 1);
    if (before.name == after.name && same_columns && before.shape != after.shape) {
      tensors[i] = tensors[i].mean(0, true).expand(after.shape);
    }
  }
  return to.pack(tensors);  // refuses the rest
}

}  // namespace ufo::nn
