#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <ufo/data/dataset.h>

namespace ufo::data {

/// The episode classes of each split from its image classes, sorted; each once, or with `rotations` under all
/// four of them.
std::array<std::vector<EpisodeClass>, 3> episode_classes(std::array<std::vector<int32_t>, 3> image_classes,
                                                         bool rotations);

}  // namespace ufo::data
