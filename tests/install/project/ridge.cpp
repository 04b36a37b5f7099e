// Learns what a family of regressions has in common, by UFO and by the first-order gradient.
//
// Each task has weights w ~ N(c, 1) of its own and a few examples y = x.w + noise. Its regression is drawn
// towards a common centre c by a ridge: L_inner(phi) = mean (x.phi - y)^2 + lambda |phi - c|^2. theta = [log
// lambda, c] is what the tasks share. With noise of variance s and n examples, lambda = s / n makes the
// regression the posterior mean, and no other does better on new examples: so UFO must find that lambda. The
// first-order gradient by it is zero.
#include <cmath>
#include <cstdio>

#include <ATen/ATen.h>

#include <ufo/bilevel/meta_gradient.h>
#include <ufo/bilevel/problem.h>

namespace bilevel = ufo::bilevel;

namespace {

// T tasks, n examples, D features; S = 1 + D, P = D.
constexpr int64_t kTasks = 32, kExamples = 12, kFeatures = 4;
constexpr double kNoiseVariance = 3, kCentre = 2;
constexpr int64_t kOuterSteps = 800;

struct Examples {
  at::Tensor x;  // [T, n, D]
  at::Tensor y;  // [T, n]

  Examples of(const at::Tensor& tasks) const { return {x.index_select(0, tasks), y.index_select(0, tasks)}; }
};

/// Mean squared error [T] of phi [T, D].
at::Tensor squared_error(const Examples& examples, const at::Tensor& phi) {
  return (at::matmul(examples.x, phi.unsqueeze(-1)).squeeze(-1) - examples.y).square().mean(1);
}

class RidgeProblem final : public bilevel::Problem {
 public:
  RidgeProblem(Examples train, Examples validation)
      : train_(std::move(train)), validation_(std::move(validation)) {}

  int64_t tasks() const override { return train_.x.size(0); }

  std::unique_ptr<bilevel::Problem> select(std::span<const int64_t> tasks) const override {
    const at::Tensor chosen = at::tensor(std::vector<int64_t>(tasks.begin(), tasks.end()));
    return std::make_unique<RidgeProblem>(train_.of(chosen), validation_.of(chosen));
  }

  /// phi_0 is the centre.
  at::Tensor initial(const at::Tensor& theta) const override {
    return theta.narrow(0, 1, kFeatures).expand({tasks(), kFeatures});
  }

  at::Tensor initial_adjoint(const at::Tensor&, const at::Tensor& v) const override {
    return at::cat({at::zeros({v.size(0), 1}, v.options()), v}, 1);
  }

  std::unique_ptr<bilevel::Linearization> linearize(const at::Tensor& theta, const at::Tensor& phi,
                                                    bilevel::Products products) const override {
    const auto penalised = [this](const at::Tensor& t, const at::Tensor& p) {
      const at::Tensor lambda = t.select(1, 0).exp(), centre = t.narrow(1, 1, kFeatures);
      return squared_error(train_, p) + lambda * (p - centre).square().sum(1);
    };
    return bilevel::linearize_by_autograd(penalised, theta, phi, products);
  }

  bilevel::OuterValue outer_value(const at::Tensor&, const at::Tensor& phi) const override {
    return {.loss = squared_error(validation_, phi), .accuracy = {}};
  }

  bilevel::OuterGradient outer_gradient(const at::Tensor& theta, const at::Tensor& phi) const override {
    return bilevel::outer_gradient_by_autograd(
        [this](const at::Tensor& t, const at::Tensor& p) { return outer_value(t, p); }, theta, phi);
  }

 private:
  Examples train_, validation_;
};

Examples draw_examples(const at::Tensor& weights) {
  const at::Tensor x = at::randn({kTasks, kExamples, kFeatures}, at::kDouble);
  const at::Tensor noise = std::sqrt(kNoiseVariance) * at::randn({kTasks, kExamples}, at::kDouble);
  return {x, at::matmul(x, weights.unsqueeze(-1)).squeeze(-1) + noise};
}

RidgeProblem draw_tasks() {
  const at::Tensor weights = kCentre + at::randn({kTasks, kFeatures}, at::kDouble);
  return {draw_examples(weights), draw_examples(weights)};
}

/// theta after SGD from lambda = 1 and a centre of zeros, averaged over the second half of the steps.
at::Tensor learn(const bilevel::EstimatorOptions& options) {
  const auto estimator = bilevel::make_estimator(options, {.steps = 25, .learning_rate = 0.2});
  const bilevel::Coin coin = bilevel::make_coin(options, *estimator);
  at::Tensor theta = at::zeros({1 + kFeatures}, at::kDouble), sum = at::zeros_like(theta);
  at::manual_seed(1);
  for (int64_t step = 0; step < kOuterSteps; ++step) {
    const RidgeProblem problem = draw_tasks();
    const auto coins = coin.toss(/*seed=*/1, step, kTasks);
    const auto estimate = bilevel::estimate_meta_gradient(problem, theta, *estimator, coins);
    theta = theta - 0.3 * estimate.gradient;
    if (step >= kOuterSteps / 2) {
      sum += theta;
    }
  }
  return sum / (kOuterSteps - kOuterSteps / 2);
}

double lambda_of(const at::Tensor& theta) { return std::exp(theta[0].item<double>()); }

}  // namespace

int main() {
  const double best = kNoiseVariance / kExamples;
  const at::Tensor ufo = learn({.estimator = "ufo", .q = {0.25}});
  const at::Tensor first_order = learn({.estimator = "first_order"});
  std::printf("lambda       %.3f (UFO), %.3f (first-order, which began there); best %.3f\n", lambda_of(ufo),
              lambda_of(first_order), best);
  const double centre = ufo.narrow(0, 1, kFeatures).mean().item<double>();
  std::printf("centre       %.3f (UFO); that of the tasks %.3f\n", centre, kCentre);
  const bool learned = std::abs(std::log(lambda_of(ufo) / best)) < 0.25 && std::abs(centre - kCentre) < 0.2;
  return learned && lambda_of(first_order) == 1 ? 0 : 1;
}
