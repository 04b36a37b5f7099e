#pragma once

#include <cstdint>

#include <ufo/nn/network.h>

namespace ufo::cli {

/// How many query images to classify at once where they do not depend on each other: what bounds the memory.
int64_t images_at_once(const nn::Network& network);

/// Throws ConfigError where classifying `count` images of `size` x `size` pixels together needs more memory
/// than this machine has free.
void check_memory_of_together(const nn::Network& network, int64_t size, int64_t count);

}  // namespace ufo::cli
