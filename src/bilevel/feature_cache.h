#pragma once

#include <memory>
#include <mutex>

#include <ATen/core/Tensor.h>

#include <ufo/bilevel/learner.h>

namespace ufo::bilevel {

/// The features of T tasks' images under the theta last asked for. An inner loop that changes the head alone
/// asks for those of one theta again and again.
class FeatureCache {
 public:
  FeatureCache(const Learner& learner, at::Tensor images) : learner_(learner), images_(std::move(images)) {}

  std::shared_ptr<nn::FeatureTape> at(const at::Tensor& theta) const {
    std::lock_guard lock(mutex_);
    if (!tape_ || !theta_.is_same(theta) || version_ != theta._version()) {
      const at::Tensor start = learner_.with_body(theta.detach());
      tape_ = learner_.network.features(start.unsqueeze(0).expand({images_.size(0), start.size(0)}), images_);
      theta_ = theta;
      version_ = theta._version();
    }
    return tape_;
  }

 private:
  Learner learner_;
  at::Tensor images_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<nn::FeatureTape> tape_;
  mutable at::Tensor theta_;
  mutable uint32_t version_ = 0;
};

}  // namespace ufo::bilevel
