#include "estimators.h"

namespace ufo::bilevel {
namespace {

/// The exact gradient with the Hessians' block of the head and the last blocks in place of the Hessians: what
/// lies below is differentiated once. Biased, like first-order, by what it leaves out.
class Partial final : public Estimator {
 public:
  Partial(const InnerOptions& inner, Memory memory, Base base, const BranchWork& work)
      : inner_(inner), memory_(memory), base_(base), work_(work) {}

  BranchWork work(bool) const override { return work_; }
  TaskGradients estimate(const Problem& problem, const at::Tensor& theta, const ExactTasks&) const override {
    return base_gradient(problem, theta, inner_, memory_, base_);
  }

 private:
  InnerOptions inner_;
  Memory memory_;
  Base base_;
  BranchWork work_;
};

}  // namespace

TaskGradients base_gradient(const Problem& problem, const at::Tensor& theta, const InnerOptions& inner,
                            Memory memory, Base base) {
  return base.second_order()
             ? exact_gradient(problem, theta, inner,
                              {.memory = memory, .products = Products::of_last(base.blocks())})
             : first_order_gradient(problem, theta, inner);
}

BranchWork base_work(const InnerOptions& inner, Memory memory, Base base, const ProductCosts& products) {
  if (!base.second_order()) {
    return first_order_work(inner);
  }
  BranchWork work = exact_work(inner, memory, products.base);
  work.hessian_products = 0;
  return work;
}

std::string kept_blocks(Base base) {
  return base.blocks() == 0 ? "head" : "head + " + std::to_string(base.blocks());
}

std::unique_ptr<Estimator> make_partial(const EstimatorOptions& options, const InnerOptions& inner,
                                        const ProductCosts& products) {
  const Base base = *base_of(options);
  return std::make_unique<Partial>(inner, options.memory, base,
                                   base_work(inner, options.memory, base, products));
}

}  // namespace ufo::bilevel
