#include "mlp.h"

#include <ATen/ATen.h>

namespace ufo::nn {

Mlp::Mlp(const ModelOptions& options, const InputShape& input) {
  int64_t width = input.channels * input.height * input.width;
  for (size_t i = 0; i < options.hidden.size(); ++i) {
    const std::string prefix = "layers." + std::to_string(i);
    layout_.add(prefix + ".weight", {options.hidden[i], width});
    layout_.add(prefix + ".bias", {options.hidden[i]});
    width = options.hidden[i];
  }
  layout_.add("head.weight", {input.ways, width});
  layout_.add("head.bias", {input.ways});
}

at::Tensor Mlp::logits(const at::Tensor& parameters, const at::Tensor& images) const {
  const auto p = layout_.unpack(parameters);
  at::Tensor x = images.flatten(2);
  for (size_t i = 0; i < p.size(); i += 2) {
    x = at::baddbmm(p[i + 1].unsqueeze(1), x, p[i].transpose(1, 2));
    if (i + 2 < p.size()) {
      x = at::relu(x);
    }
  }
  return x;
}

}  // namespace ufo::nn
