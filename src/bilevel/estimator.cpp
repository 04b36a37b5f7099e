#include "estimators.h"

#include <algorithm>
#include <sstream>

#include <ufo/base/error.h>
#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {
namespace {

/// The branch that every task takes.
enum class Branch { first_order, exact, by_coin };

/// What an estimator is: its name in configs, the one in tables, what it does, and its maker.
struct EstimatorKind {
  const char* name;
  std::string (*title)(const EstimatorOptions&);
  Branch branch;
  bool outer_gradient;
  std::optional<Base> base;  ///< where the options leave it to the estimator; none: it has no base
  std::unique_ptr<Estimator> (*make)(const EstimatorOptions&, const InnerOptions&, const ProductCosts&);
  bool classifier = false;
};

std::string partial_title(const EstimatorOptions& options) {
  const Base base = *base_of(options);
  return base.second_order() ? "Partial MAML (" + kept_blocks(base) + ")" : "Partial MAML (nothing)";
}

std::string ufo_title(const EstimatorOptions& options) {
  std::ostringstream text;
  text << "UFO-MAML (q=";
  if (options.q.adaptive) {
    text << "adaptive";
  } else {
    text << options.q.value;
    if (options.q.to) {
      text << " to " << *options.q.to;
    }
  }
  const Base base = *base_of(options);
  text << (base.second_order() ? " on " + kept_blocks(base) : "") << ")";
  return text.str();
}

constexpr EstimatorKind kEstimators[] = {
    {"first_order",
     [](const EstimatorOptions&) -> std::string { return "FOMAML"; },
     Branch::first_order,
     true,
     {},
     make_first_order},
    {"exact",
     [](const EstimatorOptions&) -> std::string { return "MAML"; },
     Branch::exact,
     true,
     {},
     make_exact},
    {"ufo", ufo_title, Branch::by_coin, true, Base::first_order(), make_ufo},
    {"partial", partial_title, Branch::first_order, true, Base::last(1), make_partial},
    {"reptile",
     [](const EstimatorOptions&) -> std::string { return "Reptile"; },
     Branch::first_order,
     false,
     {},
     make_reptile},
    {"classifier",
     [](const EstimatorOptions&) -> std::string { return "Classifier"; },
     Branch::first_order,
     true,
     {},
     make_first_order,
     true},
};

const EstimatorKind& kind_of(const EstimatorOptions& options) {
  const auto kind = std::find_if(std::begin(kEstimators), std::end(kEstimators),
                                 [&](const EstimatorKind& other) { return options.estimator == other.name; });
  if (kind == std::end(kEstimators)) {
    throw ConfigError("meta_gradient.estimator: need " + to_string(one_of(estimator_names())) + ", got \"" +
                      options.estimator + "\"");
  }
  return *kind;
}

}  // namespace

std::vector<std::string> estimator_names() {
  std::vector<std::string> names;
  for (const EstimatorKind& kind : kEstimators) {
    names.emplace_back(kind.name);
  }
  return names;
}

namespace {

/// Refuses what an estimator without a gradient of the outer objective cannot learn, and, for the others,
/// what their derivatives are not of.
void check_inner(const EstimatorOptions& options, const InnerOptions& inner) {
  const bool outer_gradient = kind_of(options).outer_gradient;
  const auto refuse = [&](const std::string& need_and_got, const std::string& why) {
    throw ConfigError("inner." + need_and_got + ": " + options.estimator + " " + why);
  };
  if (outer_gradient && inner.optimizer != InnerOptimizer::gradient_descent) {
    refuse("optimizer: need gradient_descent, got " + word_of(inner.optimizer),
           "takes the derivatives of gradient descent; reptile takes none");
  }
  if (outer_gradient && inner.batch > 0) {
    refuse("batch: need 0, got " + std::to_string(inner.batch),
           "takes the derivatives of steps on all support images; reptile takes none");
  }
  if (!outer_gradient && inner.rates.learned) {
    throw ConfigError("inner.rates.learned: need an estimator with a gradient of the outer objective, got " +
                      options.estimator);
  }
  if (!outer_gradient && (inner.adapt != Adapt::all || !inner.norm)) {
    refuse(inner.norm ? "adapt: need all, got " + word_of(inner.adapt) : "norm: need true, got false",
           "learns nothing that the inner loop leaves alone");
  }
}

}  // namespace

std::unique_ptr<Estimator> make_estimator(const EstimatorOptions& options, const InnerOptions& inner,
                                          const ProductCosts& products) {
  check_ranges(options, "meta_gradient");
  check_ranges(inner, "inner");
  check_inner(options, inner);
  return kind_of(options).make(options, inner, products);
}

Coin make_coin(const EstimatorOptions& options, const Estimator& estimator) {
  const Branch branch = kind_of(options).branch;
  if (branch != Branch::by_coin) {
    return Coin(branch == Branch::exact);
  }
  const BranchCosts costs{.first_order = estimator.work(false).cost, .exact = estimator.work(true).cost};
  return {options.q, options.q_minimum, BranchStatistics(costs, options.q_cost, options.q_decay)};
}

std::string method_name(const EstimatorOptions& options, const InnerOptions& inner, nn::Head head,
                        std::string_view known_as) {
  const EstimatorKind& kind = kind_of(options);
  if (kind.classifier) {
    return head == nn::Head::zero ? "Logistic regression" : "Nearest class mean";
  }
  if (head == nn::Head::prototype && inner.steps == 0) {
    return "ProtoNet";
  }
  const bool sgd = inner.rates.learned && inner.rates.per == RatesPer::parameter;
  const std::string own(!known_as.empty()             ? known_as
                        : inner.adapt == Adapt::head  ? "ANIL"
                        : inner.adapt == Adapt::body  ? "BOIL"
                        : sgd                         ? "Meta-SGD"
                        : head == nn::Head::prototype ? "ProtoMAML"
                                                      : "");
  std::string name = kind.title(options);
  if (!own.empty()) {
    name = kind.branch == Branch::exact         ? own
           : options.estimator == "first_order" ? "First-order " + own
                                                : name + ", " + own;
  }
  if (inner.rates.learned && !sgd && known_as.empty()) {
    name += inner.rates.per == RatesPer::layer_and_step ? " + LSLR" : " + learned rates";
  }
  const bool said = head == nn::Head::linear || own == "ProtoMAML";
  return said ? name : name + " + " + word_of(head) + " head";
}

bool tosses_coins(const EstimatorOptions& options) { return kind_of(options).branch == Branch::by_coin; }

bool trains_classifier(const EstimatorOptions& options) { return kind_of(options).classifier; }

bool has_outer_gradient(const EstimatorOptions& options) { return kind_of(options).outer_gradient; }

std::optional<Base> base_of(const EstimatorOptions& options) {
  const std::optional<Base> own = kind_of(options).base;
  return own && options.base.is_given() ? options.base : own;
}

bool adapts_q(const EstimatorOptions& options) { return tosses_coins(options) && options.q.adaptive; }

}  // namespace ufo::bilevel
