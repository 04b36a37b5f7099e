#include <cmath>
#include <limits>
#include <stdexcept>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <ufo/base/parallel.h>
#include <ufo/base/random.h>
#include <ufo/bilevel/meta_gradient.h>
#include <ufo/experiment/hypercleaning.h>

namespace ufo::experiment {
namespace {

constexpr int64_t kRecords = 50;  ///< of each run, evenly spaced

/// Accuracy on `examples` of the classifier that the inner loop trains with theta.
double accuracy_on(const Labelled& examples, const Labelled& train, int64_t classes, const at::Tensor& theta,
                   const bilevel::InnerOptions& inner) {
  const CleaningProblem problem(train, examples, classes);
  const at::Tensor phi = adapt(problem, theta, inner, inner.steps);
  return problem.outer_value(theta, phi).accuracy.item<double>();
}

/// theta of the weights 1 where `clean` and 0 elsewhere, as near as the dtype comes.
at::Tensor oracle(const at::Tensor& clean, at::ScalarType dtype) {
  constexpr double kSaturated = 40;
  return (clean.to(dtype) * 2 - 1) * kSaturated;
}

struct EstimatorChoice {
  const char* name;
  double q;
};

/// In the order of results; the longest first leaves no thread waiting at the end.
constexpr EstimatorChoice kChoices[] = {{"exact", 0}, {"ufo", 0.5}, {"ufo", 0.1}, {"first_order", 0}};

CleaningRun learn_weights(const CleaningData& data, const CleaningOptions& options,
                          const EstimatorChoice& choice) {
  const CleaningProblem problem(data.train, data.validation, data.classes);
  const bilevel::EstimatorOptions kind{.estimator = choice.name,
                                       .q = {choice.q > 0 ? choice.q : bilevel::CoinProbability{}.value}};
  const auto estimator = make_estimator(kind, options.inner);
  const bilevel::Coin coin = make_coin(kind, *estimator);
  CleaningRun run{.estimator = choice.name, .q = choice.q};
  at::Tensor theta = at::zeros({data.train.labels.size(0)}, data.train.features.options());
  double gradients = 0;
  const auto record = [&](int64_t step) {
    const auto value = problem.outer_value(theta, adapt(problem, theta, options.inner, options.inner.steps));
    run.records.push_back(
        {.step = step,
         .gradients = gradients,
         .validation_loss = value.loss.item<double>(),
         .test_accuracy = accuracy_on(data.test, data.train, data.classes, theta, options.inner),
         .auc = area_under_curve(-theta, data.corrupted)});
  };
  const int64_t every = std::max<int64_t>(options.steps / kRecords, 1);
  for (int64_t step = 0; step < options.steps; ++step) {
    if (step % every == 0) {
      record(step);
    }
    const auto coins = coin.toss(static_cast<uint64_t>(options.seed), static_cast<uint64_t>(step), 1);
    const auto estimate = estimate_meta_gradient(problem, theta, *estimator, coins);
    theta = bilevel::descend(theta, estimate.gradient, options.outer_rate);
    gradients += static_cast<double>(estimate.gradient_calls + 2 * estimate.hessian_products);
  }
  record(options.steps);
  run.weights = theta.sigmoid();
  return run;
}

}  // namespace

void corrupt_labels(CleaningData& data, double share, uint64_t seed) {
  const int64_t examples = data.train.labels.size(0);
  const auto count = static_cast<uint32_t>(std::llround(share * static_cast<double>(examples)));
  RandomStream random(seed, Purpose::label_noise, 0);
  data.train.labels = data.train.labels.clone();
  data.corrupted = at::zeros({examples}, at::kBool);
  auto labels = data.train.labels.accessor<int64_t, 1>();
  auto corrupted = data.corrupted.accessor<bool, 1>();
  for (const uint32_t i : random.sample(count, static_cast<uint32_t>(examples))) {
    const auto shift = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(data.classes) - 1));
    labels[i] = (labels[i] + shift) % data.classes;
    corrupted[i] = true;
  }
}

void standardize(CleaningData& data) {
  const at::Tensor mean = data.train.features.mean(0);
  const at::Tensor length = (data.train.features - mean).square().sum(1).mean().sqrt();
  for (Labelled* set : {&data.train, &data.validation, &data.test}) {
    set->features = (set->features - mean) / length;
  }
}

double area_under_curve(const at::Tensor& scores, const at::Tensor& flagged) {
  const at::Tensor high = scores.masked_select(flagged).unsqueeze(1);
  const at::Tensor low = scores.masked_select(flagged.logical_not()).unsqueeze(0);
  if (high.numel() == 0 || low.numel() == 0) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const auto share = [](const at::Tensor& pairs) { return pairs.to(at::kDouble).mean().item<double>(); };
  return share(high > low) + share(high == low) / 2;
}

void check_options(const CleaningOptions& options) {
  check_ranges(options, "hypercleaning");
  check_range("hypercleaning.inner.steps", options.inner.steps, at_least(1));
}

CleaningResult run_hypercleaning(const CleaningData& data, const CleaningOptions& options) {
  check_options(options);
  c10::NoGradGuard no_grad;
  const auto dtype = data.train.features.scalar_type();
  const auto test_accuracy = [&](const Labelled& train, const at::Tensor& theta) {
    return accuracy_on(data.test, train, data.classes, theta, options.inner);
  };
  CleaningResult result;
  result.uncleaned_accuracy = test_accuracy(data.train, at::zeros_like(data.corrupted, dtype));
  result.oracle_accuracy = test_accuracy(data.train, oracle(data.corrupted.logical_not(), dtype));
  const auto all = at::ones_like(data.validation.labels, at::kBool);
  result.validation_accuracy = test_accuracy(data.validation, oracle(all, dtype));
  result.runs.resize(std::size(kChoices));
  parallel_tasks(std::ssize(kChoices), [&](int64_t i) {
    c10::NoGradGuard no_grad_here;  // the mode belongs to each thread
    result.runs[static_cast<size_t>(i)] = learn_weights(data, options, kChoices[i]);
  });
  return result;
}

}  // namespace ufo::experiment
