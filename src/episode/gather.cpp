#include "gather.h"

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

}  // namespace

Gatherer::Gatherer(const data::Dataset& dataset)
    : pixels_(dataset.images.images.const_data_ptr<uint8_t>()),
      height_(dataset.images.images.size(1)),
      width_(dataset.images.images.size(2)),
      channels_(dataset.images.images.size(3)),
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

void Gatherer::gather(int64_t image, int32_t quarter_turns, float* out) const {
  const uint8_t* const source = pixels_ + image * values();
  const Walk walk = turned(quarter_turns, height_, width_);
  if (channels_ == 1) {
    const float* const table = values_[0].data();
    for (int64_t y = 0; y < height_; ++y) {
      const uint8_t* from = source + walk.start + y * walk.row;
      for (int64_t x = 0; x < width_; ++x, from += walk.column) {
        *out++ = table[*from];
      }
    }
    return;
  }
  for (int64_t y = 0; y < height_; ++y) {
    for (int64_t x = 0; x < width_; ++x) {
      const uint8_t* const from = source + (walk.start + y * walk.row + x * walk.column) * channels_;
      for (int64_t c = 0; c < channels_; ++c) {
        *out++ = values_[static_cast<size_t>(c)][from[c]];
      }
    }
  }
}

}  // namespace ufo::episode
