#pragma once

#include <memory>

#include <ATen/ATen.h>

#include <ufo/base/random.h>
#include <ufo/bilevel/classification.h>
#include <ufo/nn/network.h>

namespace ufo::bilevel {

/// Standard normal numbers, the same on every machine.
inline at::Tensor random_normal(at::IntArrayRef sizes, uint64_t seed, at::ScalarType dtype = at::kDouble) {
  at::Tensor values = at::empty(sizes, at::kDouble);
  RandomStream random(seed, Purpose::test, 0);
  double* data = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    data[i] = random.normal();
  }
  return values.to(dtype);
}

/// A few-shot problem on noise, with the size of everything at hand.
struct RandomProblemOptions {
  nn::ModelOptions model = {.filters = 6};
  int64_t tasks = 3, ways = 3, shots = 2, queries = 2;
  int64_t channels = 1, height = 13, width = 13;
  at::ScalarType dtype = at::kDouble;
  Engine engine = Engine::hand_written;
  InnerOptions inner = {};  ///< of its rates and of what adapts
};

struct RandomProblem {
  std::unique_ptr<nn::Network> network;
  at::Tensor theta;
  std::unique_ptr<ClassificationProblem> problem;

  explicit RandomProblem(const RandomProblemOptions& o) {
    network = nn::make_network(
        o.model, {.channels = o.channels, .height = o.height, .width = o.width, .ways = o.ways});
    const Learner learner(*network, o.inner, o.dtype, o.model.head);
    // Noise on the initialisation moves the parameters of batch norm off 1 and 0, and learned rates apart.
    theta = learner.initial(1).to(at::kDouble);
    theta = (theta + 0.1 * random_normal(theta.sizes(), 2)).to(o.dtype);
    const auto images = [&](int64_t a_class, uint64_t seed) {
      return random_normal({o.tasks, o.ways * a_class, o.height, o.width, o.channels}, seed, o.dtype)
          .permute({0, 1, 4, 2, 3});
    };
    const auto labels = [&](int64_t a_class) {
      return at::arange(o.ways).repeat_interleave(a_class).expand({o.tasks, o.ways * a_class}).contiguous();
    };
    problem = std::make_unique<ClassificationProblem>(learner, images(o.shots, 3), labels(o.shots),
                                                      images(o.queries, 4), labels(o.queries), o.engine);
  }
};

/// |a - b| / |b| in the Euclidean norm.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor a64 = a.to(at::kDouble), b64 = b.to(at::kDouble);
  return ((a64 - b64).norm() / b64.norm()).item<double>();
}

}  // namespace ufo::bilevel
