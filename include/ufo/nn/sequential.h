#pragma once

#include <memory>
#include <vector>

#include <ufo/nn/chain.h>
#include <ufo/nn/network.h>

namespace ufo::nn {

/// Layers one behind the other, on images [T, S, C, H, W]; the last gives logits. Its tapes take every
/// layer's own derivatives, on any device and in any floating dtype. Every layer with parameters is a block
/// of its own (a Chain is one layer), the last of them the head.
class Sequential : public Network {
 public:
  explicit Sequential(std::vector<std::unique_ptr<Layer>> layers);

  at::Tensor logits(const at::Tensor& parameters, const at::Tensor& images) const override;

  at::Tensor query_logits(const at::Tensor& parameters, const at::Tensor& query,
                          const at::Tensor& support) const override;

  std::unique_ptr<LossTape> tape(const at::Tensor& parameters, const at::Tensor& images,
                                 const at::Tensor& labels, Derivatives derivatives) const override;

  /// Where its last layer is linear.
  bool has_features(const at::TensorOptions& like) const override;
  std::unique_ptr<FeatureTape> features(const at::Tensor& parameters,
                                        const at::Tensor& images) const override;
  at::Tensor head_inputs(const at::Tensor& parameters, const at::Tensor& images) const override;

  NetworkMultiplyAdds multiply_adds(const InputShape& input) const override;

 protected:
  Sequential() = default;
  /// For networks that add their layers themselves: those before the head and its own, then the head.
  void add(std::unique_ptr<Layer> layer);
  void add_head(std::unique_ptr<Layer> layer);

 private:
  friend class SequentialTape;
  friend class SequentialFeatures;
  Chain chain_;
};

}  // namespace ufo::nn
