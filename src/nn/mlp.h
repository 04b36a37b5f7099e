#pragma once

#include <ufo/nn/sequential.h>

namespace ufo::nn {

/// Hidden layers with ReLU on the flattened image, then a linear head.
class Mlp final : public Sequential {
 public:
  Mlp(const ModelOptions& options, const InputShape& input);

  /// "mlp" and the sizes of the hidden layers.
  static std::string title(const ModelOptions& options);
  static std::map<std::string, std::string> facts(const ModelOptions&) { return {}; }

  BatchNorm batch_norm_mode() const override { return BatchNorm::none; }
  int64_t activations() const override { return activations_; }

 private:
  int64_t activations_ = 0;
};

}  // namespace ufo::nn
