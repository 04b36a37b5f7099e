#pragma once

#include <cstdint>

#include <ufo/run/options.h>

namespace ufo::cli {

/// How many query images to classify at once where they do not depend on each other: what bounds the memory.
int64_t images_at_once(const run::RunOptions& options);

/// Throws ConfigError where classifying `count` images together needs more memory than this machine has free.
void check_memory_of_together(const run::RunOptions& options, int64_t count);

}  // namespace ufo::cli
