#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <ufo/data/dataset.h>
#include <ufo/episode/augmentation.h>

namespace ufo::episode {

/// Turns pixels into numbers, image by image: value = (pixel / 255 - mean[channel]) / deviation[channel].
class Gatherer {
 public:
  /// `dataset` must outlive the gatherer.
  explicit Gatherer(const data::Dataset& dataset);

  /// Writes image number `image` as [H, W, C] float32 to `out`, turned counter-clockwise by `quarter_turns`
  /// right angles, then changed as `augmentation` says; turned images must be square.
  void gather(int64_t image, int32_t quarter_turns, const Augmentation& augmentation, float* out) const;

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t channels() const { return channels_; }
  int64_t values() const { return height_ * width_ * channels_; }  ///< of an image

 private:
  void recolour(const Augmentation& augmentation, float* image) const;
  float grey(const float* pixel) const;

  const uint8_t* pixels_;
  int64_t height_, width_, channels_;
  std::vector<float> mean_, deviation_;
  std::vector<std::array<float, 256>> values_;  // of a pixel, by channel
};

}  // namespace ufo::episode
