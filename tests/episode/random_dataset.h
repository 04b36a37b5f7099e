#pragma once

#include <cstdint>
#include <string>

#include <ATen/ATen.h>

#include <ufo/data/dataset.h>

namespace ufo::episode {

/// Random images of `size` x `size` pixels: `characters` classes of `drawings` images, each seen in four
/// rotations; a half of them for training, a quarter each for validation and test.
inline data::Dataset random_dataset(int64_t characters = 16, int64_t drawings = 6, int64_t size = 5,
                                    int64_t channels = 1) {
  data::Dataset dataset;
  const int64_t values = characters * drawings * size * size * channels;
  dataset.images.images = (at::arange(values, at::kLong) * 2654435761 / 65536)
                              .remainder(256)
                              .to(at::kByte)
                              .reshape({characters * drawings, size, size, channels});
  dataset.images.class_offsets = {0};
  for (int64_t c = 0; c < characters; ++c) {
    dataset.images.class_names.push_back("Greek/character" + std::to_string(c));
    dataset.images.class_offsets.push_back((c + 1) * drawings);
    const size_t split = c < characters / 2 ? 0 : c < characters * 3 / 4 ? 1 : 2;
    for (int32_t turns = 0; turns < 4; ++turns) {
      dataset.classes[split].push_back({static_cast<int32_t>(c), turns});
    }
  }
  for (int64_t channel = 0; channel < channels; ++channel) {
    dataset.mean.push_back(0.1f * static_cast<float>(channel));
    dataset.deviation.push_back(1.0f + 0.5f * static_cast<float>(channel));
  }
  return dataset;
}

}  // namespace ufo::episode
