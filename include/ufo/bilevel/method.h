#pragma once

#include <string>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {

/// The name by which papers know an estimator: "MAML", "FOMAML", "UFO-MAML (q=0.1)" or "Reptile".
std::string method_name(const EstimatorOptions& options);

}  // namespace ufo::bilevel
