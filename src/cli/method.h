#pragma once

#include <cstddef>
#include <string>

#include <ufo/bilevel/estimator.h>

namespace ufo::cli {

/// The name by which papers know an estimator: "MAML", "FOMAML", "UFO-MAML (q=0.1)" or "Reptile".
std::string method_name(const bilevel::EstimatorOptions& options);

/// `name`, of a method or a run, or "MAML, ensemble of 5" where an ensemble of `members` checkpoints was
/// evaluated; 0: there was none.
std::string evaluated_name(const std::string& name, size_t members);

}  // namespace ufo::cli
