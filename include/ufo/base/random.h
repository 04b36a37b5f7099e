#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/PhiloxRNGEngine.h>

namespace ufo {

/// What a random number is for. Numbers of different purposes are independent even under one seed, so that,
/// say, tossing more coins never changes the episodes.
enum class Purpose : uint32_t {
  split = 1,
  parameters = 2,
  train_episodes = 3,
  validation_episodes = 4,
  test_episodes = 5,
  coins = 6,
  augmentation = 7,
  test = 8,
  label_noise = 9,
};

/// The random numbers of one (seed, purpose, index): a pure function of the three, so that any episode or
/// coin can be drawn again without drawing those before it. Philox 4x32-10 (Salmon et al., "Parallel random
/// numbers: as easy as 1, 2, 3", SC 2011).
class RandomStream {
 public:
  RandomStream(uint64_t seed, Purpose purpose, uint64_t index);

  /// 32 uniform bits.
  uint32_t bits() { return engine_(); }

  /// A uniform integer in [0, bound). Throws std::invalid_argument unless 0 < bound < 2^32.
  uint32_t below(uint64_t bound);

  /// A uniform number in [0, 1), a multiple of 2^-53.
  double uniform();

  /// A standard normal number (Box and Muller).
  double normal();

  /// `count` distinct integers of [0, bound), in random order. Throws std::invalid_argument if count > bound.
  std::vector<uint32_t> sample(uint32_t count, uint32_t bound);

 private:
  at::philox_engine engine_;
};

}  // namespace ufo
