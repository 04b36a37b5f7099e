#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace ufo::bilevel {

/// The places [batch] of the support images that inner step j sees, of `images` > batch that lie class by
/// class. They are taken in turn, one of each class before a second where classes have equally many, and
/// after the last the first again. The public code of Reptile (arXiv 1803.02999) takes them from a list that
/// it shuffles after each pass. Made on `device`, without waiting for it.
at::Tensor places_of_step(int64_t j, int64_t batch, int64_t images, int64_t ways, at::Device device);

}  // namespace ufo::bilevel
