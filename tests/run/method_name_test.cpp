#include <gtest/gtest.h>

#include <ufo/run/method_name.h>

namespace ufo::run {
namespace {

RunOptions maml_plus_plus() {
  RunOptions options;
  options.inner.rates = {.per = bilevel::RatesPer::layer_and_step, .learned = true};
  options.model.batch_norm = nn::BatchNorm::per_step;
  options.outer.multi_step_loss = 100;
  options.outer.schedule = LearningRateSchedule::cosine;
  return options;
}

TEST(MethodName, IsMamlPlusPlusWhereAllItsPiecesAreTogether) {
  RunOptions options = maml_plus_plus();
  EXPECT_EQ(method_name(options), "MAML++");
  options.meta_gradient.estimator = "first_order";
  EXPECT_EQ(method_name(options), "First-order MAML++");
}

TEST(MethodName, IsThatOfThePiecesWhereOneIsMissing) {
  RunOptions rates = maml_plus_plus(), norm = rates, loss = rates, schedule = rates;
  rates.inner.rates.per = bilevel::RatesPer::layer;
  norm.model.batch_norm = nn::BatchNorm::batch;
  loss.outer.multi_step_loss = 0;
  schedule.outer.schedule = LearningRateSchedule::constant;
  EXPECT_EQ(method_name(rates), "MAML + learned rates");
  for (const RunOptions& options : {norm, loss, schedule}) {
    EXPECT_EQ(method_name(options), "MAML + LSLR");
  }
  EXPECT_EQ(method_name({}), "MAML");
}

}  // namespace
}  // namespace ufo::run
