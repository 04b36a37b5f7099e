#pragma once

#include <ATen/ATen.h>

#include <ufo/base/random.h>
#include <ufo/experiment/hypercleaning.h>

namespace ufo::experiment {

/// Clouds around the corners of a simplex, one a class, `each` examples of every class.
inline Labelled clouds(int64_t classes, int64_t each, uint64_t seed) {
  constexpr double kSpread = 0.3;
  RandomStream random(seed, Purpose::test, 0);
  const at::Tensor labels = at::arange(classes).repeat({each});
  at::Tensor features = at::zeros({classes * each, classes}, at::kDouble);
  auto values = features.accessor<double, 2>();
  for (int64_t i = 0; i < classes * each; ++i) {
    for (int64_t d = 0; d < classes; ++d) {
      values[i][d] = kSpread * random.normal() + (d == i % classes ? 1 : 0);
    }
  }
  return {.features = features, .labels = labels};
}

/// Three clouds, `share` of the training labels wrong.
inline CleaningData made_up_data(int64_t each, double share) {
  CleaningData data{.description = "clouds",
                    .classes = 3,
                    .train = clouds(3, each, 1),
                    .validation = clouds(3, each, 2),
                    .test = clouds(3, each, 3)};
  corrupt_labels(data, share, 4);
  return data;
}

}  // namespace ufo::experiment
