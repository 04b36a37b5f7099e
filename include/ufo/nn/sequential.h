#pragma once

#include <memory>
#include <vector>

#include <ufo/nn/layer.h>
#include <ufo/nn/network.h>

namespace ufo::nn {

/// Layers one behind the other, on images [T, S, C, H, W]; the last gives logits. Its tapes take every
/// layer's own derivatives, on any device and in any floating dtype. Every layer with parameters is a block
/// of its own, the last of them the head.
class Sequential : public Network {
 public:
  explicit Sequential(std::vector<std::unique_ptr<Layer>> layers);

  at::Tensor logits(const at::Tensor& parameters, const at::Tensor& images) const override;

  at::Tensor query_logits(const at::Tensor& parameters, const at::Tensor& query,
                          const at::Tensor& support) const override;

  std::unique_ptr<LossTape> tape(const at::Tensor& parameters, const at::Tensor& images,
                                 const at::Tensor& labels, Derivatives derivatives) const override;

  NetworkMultiplyAdds multiply_adds(const InputShape& input) const override;

 protected:
  Sequential() = default;
  /// A network that adds its layers itself says where its blocks begin: layout_.begin_block().
  void add(std::unique_ptr<Layer> layer);

 private:
  friend class SequentialTape;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace ufo::nn
