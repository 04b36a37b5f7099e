#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ATen.h>

#include <ufo/train/schedule.h>

namespace ufo::train {

double run_progress(const run::OuterOptions& outer, int64_t steps, double gradient_calls) {
  const double share = outer.budget.limited() ? gradient_calls / outer.budget.gradient_calls
                                              : static_cast<double>(steps) / static_cast<double>(outer.steps);
  return std::clamp(share, 0.0, 1.0);
}

bool run_is_over(const run::OuterOptions& outer, int64_t steps, double gradient_calls) {
  return steps >= outer.steps || (outer.budget.limited() && gradient_calls >= outer.budget.gradient_calls);
}

double outer_learning_rate(const run::OuterOptions& outer, int64_t step, double progress) {
  using enum run::LearningRateSchedule;
  double rate = outer.learning_rate;
  switch (outer.schedule) {
    case constant:
      break;
    case linear:
      rate += (outer.learning_rate_final - outer.learning_rate) * progress;
      break;
    case cosine:
      rate = outer.learning_rate_final + (outer.learning_rate - outer.learning_rate_final) *
                                             (1 + std::cos(std::numbers::pi * progress)) / 2;
      break;
    case step_decay:
      rate *= std::pow(outer.decay_factor, static_cast<double>(step / outer.decay_every));
      break;
  }
  const bool warming_up = step < outer.warm_up_steps;
  return warming_up ? rate * static_cast<double>(step + 1) / static_cast<double>(outer.warm_up_steps) : rate;
}

at::Tensor outer_weights(const run::OuterOptions& outer, int64_t inner_steps, int64_t step) {
  if (step >= outer.multi_step_loss || inner_steps == 1) {
    return {};
  }
  constexpr double kLeast = 0.03;
  const double over = static_cast<double>(step) / static_cast<double>(outer.multi_step_loss);
  const double each = std::max(1 - over, kLeast) / static_cast<double>(inner_steps);
  at::Tensor weights = at::full({inner_steps}, each, at::kFloat);
  weights[inner_steps - 1] = 1 - static_cast<double>(inner_steps - 1) * each;
  return weights;
}

}  // namespace ufo::train
