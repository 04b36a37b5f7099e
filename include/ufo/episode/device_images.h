#pragma once

#include <ATen/core/Tensor.h>

#include <ufo/data/dataset.h>
#include <ufo/episode/episode.h>

namespace ufo::episode {

/// T episodes as indices, each of S = N*(K+Q) images: support first, then query, both class by class. All
/// that a device needs to gather them from images that it holds itself.
struct EpisodeIndices {
  at::Tensor images;         ///< [T, S] int64, into ImageSet::images
  at::Tensor quarter_turns;  ///< [T, S] int64
  at::Tensor augmentation;   ///< [T, S, 6] float32, the fields of Augmentation; undefined where there is none
  at::Tensor labels = {};  ///< [T, S] int64 where they are the classes of the split (Labels), else undefined
};

/// The images of a data set on a device, as the uint8 pixels that they are, and the gathering of episodes
/// there: what a training step takes from the host is a few indices. Nothing in it waits for the device.
class DeviceImages {
 public:
  /// Copies the images of `dataset` to `device`.
  DeviceImages(const data::Dataset& dataset, at::Device device);

  /// The episodes of `indices`, whose tensors lie on the device: the same values as EpisodeSampler::batch
  /// gives, those with colour jitter to rounding.
  EpisodeBatch gather(const EpisodeIndices& indices, const EpisodeOptions& options) const;

 private:
  at::Tensor source_pixels(const EpisodeIndices& indices) const;
  at::Tensor recoloured(const at::Tensor& values, const at::Tensor& augmentation) const;

  at::Tensor pixels_;            ///< [I, H*W, C] uint8
  at::Tensor values_;            ///< [C*256] float32: of each pixel value, channel by channel
  at::Tensor channel_offset_;    ///< [C] int32: where a channel's values begin
  at::Tensor turned_;            ///< [4, H*W] int64: the pixel that each pixel of a turned image shows
  at::Tensor row_, column_;      ///< [1, H*W] float32
  at::Tensor mean_, deviation_;  ///< [C] float32
  at::Tensor grey_;              ///< [C] float32: the weights of the channels in grey
  int64_t height_, width_, channels_;
  bool any_turned_ = false;
};

}  // namespace ufo::episode
