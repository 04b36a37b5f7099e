#pragma once

#include <memory>
#include <string>

#include <ufo/bilevel/estimator.h>

namespace ufo::bilevel {

// The makers of the estimators, for the table in estimator.cpp.
std::unique_ptr<Estimator> make_first_order(const EstimatorOptions& options, const InnerOptions& inner,
                                            const ProductCosts& products);
std::unique_ptr<Estimator> make_exact(const EstimatorOptions& options, const InnerOptions& inner,
                                      const ProductCosts& products);
std::unique_ptr<Estimator> make_partial(const EstimatorOptions& options, const InnerOptions& inner,
                                        const ProductCosts& products);
std::unique_ptr<Estimator> make_ufo(const EstimatorOptions& options, const InnerOptions& inner,
                                    const ProductCosts& products);
std::unique_ptr<Estimator> make_reptile(const EstimatorOptions& options, const InnerOptions& inner,
                                        const ProductCosts& products);

/// What a task of base_gradient() takes.
BranchWork base_work(const InnerOptions& inner, Memory memory, Base base, const ProductCosts& products);

/// "head", "head + 2": the blocks whose second derivatives `base` keeps, for titles.
std::string kept_blocks(Base base);

}  // namespace ufo::bilevel
