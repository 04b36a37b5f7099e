#pragma once

#include "options.h"

#include <map>
#include <memory>
#include <string>

#include <ufo/bilevel/meta_gradient.h>

namespace ufo::python {

using EstimatorState = std::map<std::string, double>;

/// An estimator of one call: its options from Python, the coins of the call, and what it learned in earlier
/// ones.
struct EstimatorCall {
  bilevel::EstimatorOptions options;
  bilevel::InnerOptions inner;
  uint64_t seed = 0, step = 0;
  EstimatorState state;
  bool keep_tasks = false;
};

/// Of the dict that ufo_maml._estimators makes. Needs the GIL. Throws ConfigError for fewer inner steps than
/// `least_steps`.
EstimatorCall read_call(const py::dict& inner, const py::dict& estimator, int64_t least_steps = 1);

/// The estimate, and in `call.state` what the next one needs. Without the GIL.
bilevel::MetaGradient run_estimator(EstimatorCall& call, const bilevel::Problem& problem,
                                    const at::Tensor& theta, const bilevel::ProductCosts& products);

/// As ufo_maml._estimators reads it. Needs the GIL.
py::dict to_dict(const bilevel::MetaGradient& estimate, const EstimatorCall& call);

}  // namespace ufo::python
