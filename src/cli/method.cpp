#include "cli/method.h"

#include <sstream>

namespace ufo::cli {

std::string method_name(const bilevel::EstimatorOptions& options) {
  if (options.estimator == "exact") {
    return "MAML";
  }
  if (options.estimator == "first_order") {
    return "FOMAML";
  }
  if (options.estimator == "reptile") {
    return "Reptile";
  }
  std::ostringstream text;
  text << "UFO-MAML (q=";
  if (options.q.adaptive) {
    text << "adaptive)";
  } else {
    text << options.q.value << ")";
  }
  return text.str();
}

std::string evaluated_name(const std::string& name, size_t members) {
  return members == 0 ? name : name + ", ensemble of " + std::to_string(members);
}

}  // namespace ufo::cli
