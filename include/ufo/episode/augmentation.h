#pragma once

#include <cstdint>

#include <ufo/base/options.h>
#include <ufo/base/random.h>

namespace ufo::episode {

/// Random changes of training images, drawn anew for each image of each episode. Evaluation never sees them.
struct AugmentationOptions {
  bool horizontal_flip = false;
  int64_t crop_padding = 0;
  double brightness = 0;
  double contrast = 0;
  double saturation = 0;

  /// Whether anything is changed at all.
  bool active() const {
    return horizontal_flip || crop_padding > 0 || brightness > 0 || contrast > 0 || saturation > 0;
  }

  template <class Self, class Visitor>
  static void describe(Self& self, Visitor&& field) {
    field("horizontal_flip", self.horizontal_flip, anything(),
          "mirror every second training image, by chance");
    field("crop_padding", self.crop_padding, between(0, 64),
          "random crop: move a training image by up to this many pixels each way; "
          "what comes into sight repeats the border (0: off)");
    field("brightness", self.brightness, between(0, 1),
          "colour jitter: multiply brightness by a factor from [1 - this, 1 + this] (0: off)");
    field("contrast", self.contrast, between(0, 1),
          "colour jitter: the same about the image's mean grey (0: off)");
    field("saturation", self.saturation, between(0, 1),
          "colour jitter: the same about each pixel's grey; grey images have none (0: off)");
  }
};

/// What is done to one image: moved and mirrored first, then its brightness, contrast and saturation, in that
/// order, each clamped to [0, 1]. By default nothing.
struct Augmentation {
  bool mirrored = false;
  int32_t down = 0;   ///< pixel y of the result is pixel y + down of the image
  int32_t right = 0;  ///< and pixel x is pixel x + right of the (mirrored) image
  float brightness = 1;
  float contrast = 1;
  float saturation = 1;

  bool moves() const { return mirrored || down != 0 || right != 0; }
  bool recolours() const { return brightness != 1 || contrast != 1 || saturation != 1; }
};

/// The next augmentation of `random`. Takes the same number of draws whatever the options, so that one option
/// does not change what the others draw.
Augmentation draw_augmentation(const AugmentationOptions& options, RandomStream& random);

/// The weights of red, green and blue in grey (ITU-R BT.601).
inline constexpr float kGrey[3] = {0.299f, 0.587f, 0.114f};

}  // namespace ufo::episode
