#pragma once

#include <memory>
#include <string>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {

std::unique_ptr<Estimator> make_ufo(const EstimatorOptions& options, const InnerOptions& inner);
std::unique_ptr<Estimator> make_reptile(const EstimatorOptions& options, const InnerOptions& inner);

Memory parse_memory(const std::string& name);

}  // namespace ufo::bilevel
