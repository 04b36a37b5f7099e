#include "gather.h"

#include <algorithm>
#include <stdexcept>

#include <ATen/ATen.h>

namespace ufo::episode {
namespace {

/// A walk over the pixels of an image: row y and column x of the result read start + y * row + x * column.
struct Walk {
  int64_t start, row, column;
};

/// The walk that turns counter-clockwise, in pixels.
Walk turned(int32_t quarter_turns, int64_t height, int64_t width) {
  switch (quarter_turns) {
    case 0:
      return {0, width, 1};
    case 1:
      return {width - 1, -1, width};
    case 2:
      return {height * width - 1, -width, -1};
    default:
      return {(height - 1) * width, 1, -width};
  }
}

/// Which pixel of the turned image a pixel of the result shows: past the border, the border's.
struct Frame {
  const Augmentation& augmentation;
  int64_t height, width;

  int64_t row(int64_t y) const { return std::clamp<int64_t>(y + augmentation.down, 0, height - 1); }
  int64_t column(int64_t x) const {
    const int64_t moved = std::clamp<int64_t>(x + augmentation.right, 0, width - 1);
    return augmentation.mirrored ? width - 1 - moved : moved;
  }
};

float clamped(float value) { return std::clamp(value, 0.0f, 1.0f); }

}  // namespace

Gatherer::Gatherer(const data::Dataset& dataset)
    : pixels_(dataset.images.images.const_data_ptr<uint8_t>()),
      height_(dataset.images.images.size(1)),
      width_(dataset.images.images.size(2)),
      channels_(dataset.images.images.size(3)),
      mean_(dataset.mean),
      deviation_(dataset.deviation),
      values_(static_cast<size_t>(channels_)) {
  if (!dataset.images.images.is_contiguous() || dataset.mean.size() != values_.size() ||
      dataset.deviation.size() != values_.size()) {
    throw std::invalid_argument(
        "episode: need contiguous images, and a mean and a deviation for each channel");
  }
  for (size_t c = 0; c < values_.size(); ++c) {
    for (size_t pixel = 0; pixel < 256; ++pixel) {
      values_[c][pixel] = (static_cast<float>(pixel) / 255.0f - dataset.mean[c]) / dataset.deviation[c];
    }
  }
}

void Gatherer::gather(int64_t image, int32_t quarter_turns, const Augmentation& augmentation,
                      float* out) const {
  const uint8_t* const source = pixels_ + image * values();
  const Walk walk = turned(quarter_turns, height_, width_);
  if (channels_ == 1 && !augmentation.moves()) {
    float* value = out;
    const float* const table = values_[0].data();
    for (int64_t y = 0; y < height_; ++y) {
      const uint8_t* from = source + walk.start + y * walk.row;
      for (int64_t x = 0; x < width_; ++x, from += walk.column) {
        *value++ = table[*from];
      }
    }
  } else {
    const Frame frame{augmentation, height_, width_};
    float* value = out;
    for (int64_t y = 0; y < height_; ++y) {
      for (int64_t x = 0; x < width_; ++x) {
        const int64_t pixel = walk.start + frame.row(y) * walk.row + frame.column(x) * walk.column;
        const uint8_t* const from = source + pixel * channels_;
        for (int64_t c = 0; c < channels_; ++c) {
          *value++ = values_[static_cast<size_t>(c)][from[c]];
        }
      }
    }
  }
  if (augmentation.recolours()) {
    recolour(augmentation, out);
  }
}

float Gatherer::grey(const float* pixel) const {
  return channels_ == 3 ? kGrey[0] * pixel[0] + kGrey[1] * pixel[1] + kGrey[2] * pixel[2] : pixel[0];
}

/// In place, from normalised values to [0, 1] and back.
void Gatherer::recolour(const Augmentation& augmentation, float* image) const {
  const int64_t pixels = height_ * width_;
  double grey_sum = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    float* const pixel = image + i * channels_;
    for (int64_t c = 0; c < channels_; ++c) {
      const size_t channel = static_cast<size_t>(c);
      pixel[c] = clamped(augmentation.brightness * (pixel[c] * deviation_[channel] + mean_[channel]));
    }
    grey_sum += grey(pixel);
  }
  const float mean_grey = static_cast<float>(grey_sum / static_cast<double>(pixels));
  for (int64_t i = 0; i < pixels; ++i) {
    float* const pixel = image + i * channels_;
    for (int64_t c = 0; c < channels_; ++c) {
      pixel[c] = clamped(mean_grey + augmentation.contrast * (pixel[c] - mean_grey));
    }
    const float own_grey = grey(pixel);
    for (int64_t c = 0; c < channels_; ++c) {
      const size_t channel = static_cast<size_t>(c);
      const float value = clamped(own_grey + augmentation.saturation * (pixel[c] - own_grey));
      pixel[c] = (value - mean_[channel]) / deviation_[channel];
    }
  }
}

}  // namespace ufo::episode
