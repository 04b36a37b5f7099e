#pragma once

#include <ufo/nn/network.h>

namespace ufo::nn {

/// Hidden layers with ReLU on the flattened image, then a linear head.
class Mlp final : public Network {
 public:
  Mlp(const ModelOptions& options, const InputShape& input);

  at::Tensor logits(const at::Tensor& parameters, const at::Tensor& images) const override;
};

}  // namespace ufo::nn
