#include "outer_step.h"

#include <cmath>

namespace ufo::train {

bool StepResult::finite() const { return std::isfinite(gradient_norm) && std::isfinite(estimate.loss); }

std::vector<bool> coins_of(const run::RunOptions& options, int64_t step, double probability) {
  return bilevel::toss_coins(static_cast<uint64_t>(options.seed), static_cast<uint64_t>(step),
                             options.outer.meta_batch, probability);
}

}  // namespace ufo::train
