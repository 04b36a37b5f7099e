#include "episode_classes.h"

#include <algorithm>

namespace ufo::data {

std::array<std::vector<EpisodeClass>, 3> episode_classes(std::array<std::vector<int32_t>, 3> image_classes,
                                                         bool rotations) {
  std::array<std::vector<EpisodeClass>, 3> classes;
  for (size_t split = 0; split < classes.size(); ++split) {
    std::sort(image_classes[split].begin(), image_classes[split].end());
    for (const int32_t image_class : image_classes[split]) {
      for (int32_t turns = 0; turns < (rotations ? 4 : 1); ++turns) {
        classes[split].push_back({image_class, turns});
      }
    }
  }
  return classes;
}

}  // namespace ufo::data
