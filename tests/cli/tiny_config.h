#pragma once

#include "support/source_folder.h"

#include <string>

namespace ufo::cli {

/// A config on the repository's Omniglot that trains in a second or two.
inline std::string tiny_config() {
  return R"({
    "dataset": {"root": ")" +
         source_path("data/omniglot") + R"("},
    "episode": {"ways": 5, "shots": 1, "queries": 2},
    "model": {"filters": 4},
    "inner": {"steps": 1, "learning_rate": 0.4},
    "meta_gradient": {"estimator": "ufo", "q": 0.5},
    "outer": {"meta_batch": 2, "steps": 6, "learning_rate": 0.01},
    "validation": {"every": 3, "tasks": 4, "inner_steps": 1},
    "evaluation": {"tasks": 8, "inner_steps": 2, "queries": 4}
  })";
}

}  // namespace ufo::cli
