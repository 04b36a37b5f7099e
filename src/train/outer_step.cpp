#include "outer_step.h"

#include <cmath>

namespace ufo::train {

bool StepResult::finite() const { return std::isfinite(gradient_norm) && std::isfinite(estimate.loss); }

}  // namespace ufo::train
