#include <ufo/run/method_name.h>

namespace ufo::run {

std::string method_name(const RunOptions& options) {
  const bilevel::InnerRateOptions& rates = options.inner.rates;
  const bool maml_plus_plus = rates.learned && rates.per == bilevel::RatesPer::layer_and_step &&
                              options.outer.multi_step_loss > 0 &&
                              options.model.batch_norm == nn::BatchNorm::per_step &&
                              options.outer.schedule == LearningRateSchedule::cosine;
  return bilevel::method_name(options.meta_gradient, options.inner, options.model.head,
                              maml_plus_plus ? "MAML++" : "");
}

}  // namespace ufo::run
