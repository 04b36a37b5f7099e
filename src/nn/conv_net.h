#pragma once

#include <memory>
#include <vector>

#include <ufo/nn/sequential.h>

namespace ufo::nn {

namespace cpu {
class ConvNetEngine;
}

/// The sizes of one block of the conv net: convolution (kernel x kernel, padding kernel / 2), batch norm,
/// ReLU and, where pooled, a 2x2 max-pool.
struct BlockShape {
  int64_t in_channels;
  int64_t out_channels;
  int64_t in_height, in_width;
  int64_t conv_height, conv_width;  ///< after the convolution
  int64_t out_height, out_width;    ///< after the pooling
};

/// The conv net of MAML (Finn et al., arXiv 1703.03400, section 5.2): `blocks` blocks, then the spatial mean
/// (with downsampling by stride) or all pixels (with pooling) unless model.features says otherwise, then a
/// linear head. On the CPU its tapes come from kernels of its own (src/nn/cpu), elsewhere from its layers.
class ConvNet final : public Sequential {
 public:
  ConvNet(const ModelOptions& options, const InputShape& input);
  ~ConvNet() override;

  static std::string title(const ModelOptions& options);
  static std::map<std::string, std::string> facts(const ModelOptions& options);

  std::unique_ptr<LossTape> tape(const at::Tensor& parameters, const at::Tensor& images,
                                 const at::Tensor& labels, Derivatives derivatives) const override;

  std::unique_ptr<FeatureTape> features(const at::Tensor& parameters,
                                        const at::Tensor& images) const override;

  BatchNorm batch_norm_mode() const override { return mode_of(options_.batch_norm); }
  bool norm_per_step() const override { return options_.batch_norm == BatchNorm::per_step; }
  int64_t activations() const override;

  const ModelOptions& options() const { return options_; }
  const InputShape& input() const { return input_; }
  const std::vector<BlockShape>& blocks() const { return blocks_; }
  bool pooled() const { return options_.downsampling == Downsampling::max_pool; }
  int64_t stride() const { return pooled() ? 1 : 2; }
  bool spatial_mean() const {
    return options_.features == Features::automatic ? !pooled() : options_.features == Features::spatial_mean;
  }

 private:
  ModelOptions options_;
  InputShape input_;
  std::vector<BlockShape> blocks_;
  std::unique_ptr<cpu::ConvNetEngine> float_engine_, double_engine_;
};

}  // namespace ufo::nn
