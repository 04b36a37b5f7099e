#include <sstream>

#include <ufo/bilevel/method.h>

namespace ufo::bilevel {

std::string method_name(const EstimatorOptions& options) {
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

}  // namespace ufo::bilevel
