#include "estimators.h"

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

class FirstOrder final : public Estimator {
 public:
  explicit FirstOrder(const InnerOptions& inner) : inner_(inner) {}
  double exact_probability() const override { return 0; }
  BranchWork work(bool) const override { return first_order_work(inner_); }
  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, const ExactTasks&) const override {
    return first_order_gradient(problem, theta, inner_);
  }

 private:
  InnerOptions inner_;
};

class Exact final : public Estimator {
 public:
  Exact(const InnerOptions& inner, Memory memory) : inner_(inner), memory_(memory) {}
  double exact_probability() const override { return 1; }
  BranchWork work(bool) const override { return exact_work(inner_, memory_); }
  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, const ExactTasks&) const override {
    return exact_gradient(problem, theta, inner_, memory_);
  }

 private:
  InnerOptions inner_;
  Memory memory_;
};

std::unique_ptr<Estimator> make_first_order(const EstimatorOptions&, const InnerOptions& inner) {
  return std::make_unique<FirstOrder>(inner);
}

std::unique_ptr<Estimator> make_exact(const EstimatorOptions& options, const InnerOptions& inner) {
  return std::make_unique<Exact>(inner, parse_memory(options.memory));
}

using Maker = std::unique_ptr<Estimator> (*)(const EstimatorOptions&, const InnerOptions&);

/// The name of an estimator in configs and its maker.
constexpr std::pair<const char*, Maker> kEstimators[] = {
    {"first_order", make_first_order},
    {"exact", make_exact},
    {"ufo", make_ufo},
    {"reptile", make_reptile},
};

}  // namespace

Memory parse_memory(const std::string& name) {
  if (name == "store_linearizations") {
    return Memory::store_linearizations;
  }
  if (name == "store_parameters") {
    return Memory::store_parameters;
  }
  if (name == "recompute") {
    return Memory::recompute;
  }
  throw ConfigError("meta_gradient.memory: there is no mode named " + name);
}

std::unique_ptr<Estimator> make_estimator(const EstimatorOptions& options, const InnerOptions& inner) {
  check_ranges(options, "meta_gradient");
  check_range("meta_gradient.q", options.q.value, positive_up_to(1));
  check_ranges(inner, "inner");
  for (const auto& [name, maker] : kEstimators) {
    if (options.estimator == name) {
      return maker(options, inner);
    }
  }
  throw ConfigError("meta_gradient.estimator: there is no estimator named " + options.estimator);
}

}  // namespace ufo::bilevel
