#pragma once

#include "../conv_net.h"

#include <memory>

namespace ufo::nn::cpu {

/// The hand-written derivatives of a ConvNet on the CPU: its buffers are made once and used again from step
/// to step. Different threads may make tapes at once.
class ConvNetEngine {
 public:
  virtual ~ConvNetEngine() = default;

  /// As Network::tape. parameters [T, P], images [T, S, C, H, W], labels [T, S].
  virtual std::unique_ptr<LossTape> tape(const at::Tensor& parameters, const at::Tensor& images,
                                         const at::Tensor& labels, Derivatives derivatives) = 0;

  /// As Network::features.
  virtual std::unique_ptr<FeatureTape> features(const at::Tensor& parameters, const at::Tensor& images) = 0;

  /// The engine for float or double. `net` must outlive it.
  template <class T>
  static std::unique_ptr<ConvNetEngine> make(const ConvNet& net);
};

}  // namespace ufo::nn::cpu
