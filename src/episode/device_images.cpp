#include "labels.h"

#include <ATen/ATen.h>

#include <ufo/episode/device_images.h>

namespace ufo::episode {
namespace {

/// The places of Augmentation's fields in EpisodeIndices::augmentation.
enum Field : int64_t { kMirrored, kDown, kRight, kBrightness, kContrast, kSaturation };

bool any_turned(const data::Dataset& dataset) {
  for (const auto& classes : dataset.classes) {
    for (const data::EpisodeClass& c : classes) {
      if (c.quarter_turns != 0) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

DeviceImages::DeviceImages(const data::Dataset& dataset, at::Device device)
    : height_(dataset.images.images.size(1)),
      width_(dataset.images.images.size(2)),
      channels_(dataset.images.images.size(3)),
      any_turned_(any_turned(dataset)) {
  pixels_ = dataset.images.images.flatten(1, 2).to(device);
  mean_ = at::tensor(dataset.mean).to(device);
  deviation_ = at::tensor(dataset.deviation).to(device);
  // Divided on the host: a device may multiply by a reciprocal instead, which rounds otherwise.
  const at::Tensor brightness = at::arange(256, at::kFloat) / 255;
  values_ = ((brightness.unsqueeze(0) - at::tensor(dataset.mean).unsqueeze(1)) /
             at::tensor(dataset.deviation).unsqueeze(1))
                .flatten()
                .to(device);
  channel_offset_ = (at::arange(channels_, at::kInt) * 256).to(device);
  const at::Tensor place = at::arange(height_ * width_, at::kLong);
  if (any_turned_) {
    std::vector<at::Tensor> turned;
    for (int64_t turns = 0; turns < 4; ++turns) {
      turned.push_back(at::rot90(place.view({height_, width_}), turns, {0, 1}).flatten());
    }
    turned_ = at::stack(turned).to(device);
  }
  row_ = place.div(width_, "floor").to(at::kFloat).unsqueeze(0).to(device);
  column_ = place.remainder(width_).to(at::kFloat).unsqueeze(0).to(device);
  grey_ = (channels_ == 3 ? at::tensor(at::ArrayRef<float>(kGrey)) : at::full({channels_}, 1.0 / channels_))
              .to(device);
}

EpisodeBatch DeviceImages::gather(const EpisodeIndices& indices, const EpisodeOptions& options) const {
  const int64_t tasks = indices.images.size(0), each = indices.images.size(1);
  at::Tensor pixels = pixels_.index_select(0, indices.images.flatten());  // [B, H*W, C]
  if (any_turned_ || indices.augmentation.defined()) {
    pixels = pixels.gather(1, source_pixels(indices).unsqueeze(-1).expand(pixels.sizes()));
  }
  at::Tensor values = values_.index_select(0, (pixels.to(at::kInt) + channel_offset_).flatten())
                          .view({tasks * each, height_ * width_, channels_});
  if (indices.augmentation.defined()) {
    values = recoloured(values, indices.augmentation.flatten(0, 1));
  }
  const at::Tensor images = values.view({tasks, each, height_, width_, channels_}).permute({0, 1, 4, 2, 3});
  const int64_t support = options.ways * options.shots, query = options.ways * options.queries;
  const bool given = indices.labels.defined();
  return {.support_images = images.narrow(1, 0, support),
          .support_labels = given ? indices.labels.narrow(1, 0, support)
                                  : labels(tasks, options.ways, options.shots, images.device()),
          .query_images = images.narrow(1, support, query),
          .query_labels = given ? indices.labels.narrow(1, support, query)
                                : labels(tasks, options.ways, options.queries, images.device())};
}

/// [B, H*W] int64: the pixel of the stored image that each pixel of the result shows.
at::Tensor DeviceImages::source_pixels(const EpisodeIndices& indices) const {
  const auto turned = [&] { return turned_.index_select(0, indices.quarter_turns.flatten()); };
  if (!indices.augmentation.defined()) {
    return turned();
  }
  const at::Tensor changes = indices.augmentation.flatten(0, 1);
  const auto field = [&](Field f) { return changes.narrow(1, f, 1); };
  const double bottom = static_cast<double>(height_ - 1), right = static_cast<double>(width_ - 1);
  const at::Tensor y = (row_ + field(kDown)).clamp(0, bottom);
  const at::Tensor x = (column_ + field(kRight)).clamp(0, right);
  const at::Tensor seen = x + field(kMirrored) * (right - 2 * x);
  const at::Tensor place = (y * static_cast<double>(width_) + seen).to(at::kLong);
  return any_turned_ ? turned().gather(1, place) : place;
}

/// values [B, H*W, C] and changes [B, 6]; images that keep their colours keep their values to the bit.
at::Tensor DeviceImages::recoloured(const at::Tensor& values, const at::Tensor& changes) const {
  const auto field = [&](Field f) { return changes.narrow(1, f, 1).unsqueeze(-1); };  // [B, 1, 1]
  const auto grey = [&](const at::Tensor& image) { return (image * grey_).sum(-1, true); };
  const at::Tensor bright = (field(kBrightness) * (values * deviation_ + mean_)).clamp(0, 1);
  const at::Tensor mean_grey = grey(bright).mean(1, true);
  const at::Tensor contrasted = (mean_grey + field(kContrast) * (bright - mean_grey)).clamp(0, 1);
  const at::Tensor own_grey = grey(contrasted);
  const at::Tensor saturated = (own_grey + field(kSaturation) * (contrasted - own_grey)).clamp(0, 1);
  const at::Tensor keeps = changes.narrow(1, kBrightness, 3).eq(1).all(1).view({-1, 1, 1});
  return at::where(keeps, values, (saturated - mean_) / deviation_);
}

}  // namespace ufo::episode
