#include <ufo/base/error.h>
#include <ufo/bilevel/product_costs.h>
#include <ufo/train/method.h>

namespace ufo::train {

Method::Method(const run::RunOptions& options, const nn::InputShape& input, at::Device device)
    : options_(options),
      input_(input),
      network_(nn::make_network(options_.model, input_)),
      learner_(bilevel::trains_classifier(options_.meta_gradient)
                   ? bilevel::Learner(*network_)
                   : bilevel::Learner(*network_, options_.inner, device, options_.model.head)) {
  const bool as_in_training = options_.evaluation_ways() == options_.episode.ways &&
                              options_.evaluation_head() == options_.model.head &&
                              options_.evaluation.inner_batch == options_.inner.batch &&
                              !bilevel::trains_classifier(options_.meta_gradient);
  if (!as_in_training) {
    make_evaluation_learner(device);
  }
}

void Method::make_evaluation_learner(at::Device device) {
  nn::InputShape input = input_;
  input.ways = options_.evaluation_ways();
  evaluation_network_ = nn::make_network(options_.model, input);
  evaluation_learner_.emplace(*evaluation_network_, options_.evaluation_inner(), device,
                              options_.evaluation_head(), learner_.head_rows());
  if (input.ways != options_.episode.ways && evaluation_learner_->fixes_ways()) {
    throw ConfigError(
        "evaluation.ways: need the " + std::to_string(options_.episode.ways) + " of episode.ways where " +
        (evaluation_learner_->head == nn::Head::linear ? "model.head is linear, with a learned row a class"
                                                       : "inner.rates.per is parameter") +
        ", got " + std::to_string(input.ways));
  }
}

std::unique_ptr<bilevel::Estimator> Method::make_estimator(const bilevel::EstimatorOptions& options) const {
  if (options_.outer.multi_step_loss > 0) {
    if (options_.outer.budget.limited()) {
      throw ConfigError(
          "outer.multi_step_loss: need 0 beside outer.budget, which counts one gradient of the outer "
          "objective a task, got " +
          std::to_string(options_.outer.multi_step_loss));
    }
    if (!bilevel::has_outer_gradient(options)) {
      throw ConfigError(
          "outer.multi_step_loss: need an estimator with a gradient of the outer objective, got " +
          options.estimator);
    }
  }
  if (learner_.norms->size() > 0 && !bilevel::has_outer_gradient(options)) {
    throw ConfigError("model.batch_norm: need batch or support for " + options.estimator +
                      ", which learns nothing that the inner loop leaves alone, got per_step");
  }
  const auto base = bilevel::base_of(options);
  if (learner_.body() > 0 && base && base->blocks() > 0) {
    throw ConfigError("meta_gradient.base: need \"head\" or \"first_order\" where inner.adapt is head, got " +
                      std::to_string(base->blocks()));
  }
  const int64_t depth = network_->layout().depth();
  if (base && base->blocks() > depth) {
    throw ConfigError("meta_gradient.base: need at most " + std::to_string(depth) + ", the blocks of " +
                      options_.model.name + ", got " + std::to_string(base->blocks()));
  }
  return bilevel::make_estimator(
      options, options_.inner,
      bilevel::product_costs(*network_, input_, base, options_.outer.budget.hessian_product));
}

// A classifier has a row for each training class, whose number the data knows.
void check_method(const run::RunOptions& options) {
  const Method method(options,
                      {.channels = options.dataset.channels,
                       .height = options.dataset.image_size,
                       .width = options.dataset.image_size,
                       .ways = options.episode.ways},
                      at::kCPU);
  method.make_estimator(options.meta_gradient);
}

}  // namespace ufo::train
