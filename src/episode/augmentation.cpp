#include <cmath>

#include <ufo/episode/augmentation.h>

namespace ufo::episode {
namespace {

/// Uniform in [-reach, reach].
int32_t shift(int64_t reach, RandomStream& random) {
  return static_cast<int32_t>(std::floor(random.uniform() * static_cast<double>(2 * reach + 1))) -
         static_cast<int32_t>(reach);
}

/// Uniform in [1 - reach, 1 + reach).
float factor(double reach, RandomStream& random) {
  return static_cast<float>(1 + reach * (2 * random.uniform() - 1));
}

}  // namespace

Augmentation draw_augmentation(const AugmentationOptions& options, RandomStream& random) {
  Augmentation drawn;
  drawn.mirrored = random.uniform() < 0.5 && options.horizontal_flip;
  drawn.down = shift(options.crop_padding, random);
  drawn.right = shift(options.crop_padding, random);
  drawn.brightness = factor(options.brightness, random);
  drawn.contrast = factor(options.contrast, random);
  drawn.saturation = factor(options.saturation, random);
  return drawn;
}

}  // namespace ufo::episode
