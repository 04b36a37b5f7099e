#pragma once

#include <map>
#include <string>

#include <ufo/nn/sequential.h>

namespace ufo::nn {

/// The residual network that few-shot learning calls ResNet-12 (Lee et al., arXiv 1904.03758, section 4.1):
/// four blocks, or as many as there are widths, of three 3x3 convolutions with batch norm and leaky ReLU,
/// beside them a 1x1 convolution with batch norm, and behind the sum leaky ReLU and 2x2 max-pool; then the
/// spatial mean and a linear head. Without DropBlock and dropout, which the paper trains with: its loss is a
/// function of the parameters. Parameters have the names of PyTorch implementations: layer1.conv1.weight,
/// layer1.bn1.weight, ..., layer1.downsample.0.weight, layer1.downsample.1.weight, ..., head.weight.
class ResNet12 final : public Sequential {
 public:
  /// Throws ConfigError where the image is too small for the number of blocks.
  ResNet12(const ModelOptions& options, const InputShape& input);

  /// "resnet12 64-160-320-640"
  static std::string title(const ModelOptions& options);
  static std::map<std::string, std::string> facts(const ModelOptions& options);

  BatchNorm batch_norm_mode() const override { return mode_of(norm_); }
  bool norm_per_step() const override { return norm_ == BatchNorm::per_step; }
  int64_t activations() const override;

 private:
  BatchNorm norm_;
  int64_t largest_map_ = 0;  ///< numbers of the largest map of an image
};

}  // namespace ufo::nn
