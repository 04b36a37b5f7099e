#pragma once

#include "report/table.h"
#include "run/record.h"

#include <string>
#include <vector>

namespace ufo::report {

// The parts of a report, each as HTML; empty where the runs have nothing to show in it. A run is known by its
// name and by the colour of its place in `runs`.

/// "5-way 1-shot omniglot (maml)".
std::string setting_text(const run::RunRecord& run);

/// What was trained, on what and by what; a value that all runs share stands once.
std::string facts_table(const std::vector<run::RunRecord>& runs);

/// The rows of `evaluations`, and the remarks below them.
std::string accuracy_table(const std::vector<run::RunRecord>& runs, const Table& evaluations);

/// The pairs of `evaluations`, whose places are those of `runs`.
std::string paired_table(const std::vector<run::RunRecord>& runs, const Table& evaluations);

/// Time, outer steps a second, gradient calls and Hessian products.
std::string cost_table(const std::vector<run::RunRecord>& runs);

/// The learned inner rates of each layer and inner step, the larger the darker.
std::string inner_rate_table(const std::vector<run::RunRecord>& runs);

/// Validation accuracy and training loss against the outer step.
std::string learning_figure(const std::vector<run::RunRecord>& runs);

/// Accuracy after each inner step, with its interval.
std::string inner_step_figure(const std::vector<run::RunRecord>& runs);

/// UFO's q, and the running means of D^2 and V^2, against the outer step.
std::string coin_figure(const std::vector<run::RunRecord>& runs);

}  // namespace ufo::report
